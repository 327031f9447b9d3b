import type { MetricDefinition } from './definition.ts'

const WRITE_SECONDS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]

/** The metrics of the store: its size and content, the time of its work, and its failures. */
export const STORE_METRICS = {
  storeWrite: {
    kind: 'histogram',
    name: 'meshgauge_store_write_seconds',
    help: 'Time in seconds of a transaction of the store, until it is durable. Normal is below 0.05 s.',
    unit: 's',
    labels: ['operation'],
    buckets: WRITE_SECONDS,
  },
  storeErrors: {
    kind: 'counter',
    name: 'meshgauge_store_errors_total',
    help: 'Total number of failed writes and failed pieces of maintenance of the store, for example on a full disk, and of damaged rows of windows (operation damaged_row). Normal is 0.',
    unit: '{call}',
    labels: ['operation'],
  },
  storeSize: {
    kind: 'gauge',
    name: 'meshgauge_store_size_bytes',
    help: 'Current size of the store on disk in bytes, its log included. Normal is up to the maximum size, 4 GiB by default.',
    unit: 'By',
    labels: [],
  },
  storeFree: {
    kind: 'gauge',
    name: 'meshgauge_store_free_bytes',
    help: 'Current number of bytes within the store that are free for new content. Normal is a small part of its size.',
    unit: 'By',
    labels: [],
  },
  storeMaxSize: {
    kind: 'gauge',
    name: 'meshgauge_store_max_size_bytes',
    help: 'Maximum size of the store in bytes. Near it, the oldest content is removed before its retention ends. Normal is the configured value.',
    unit: 'By',
    labels: [],
  },
  storeRows: {
    kind: 'gauge',
    name: 'meshgauge_store_rows',
    help: 'Current number of rows in the store, by level: runs, raw windows, 5m and 1h windows, events. Normally constant once the retention is reached.',
    unit: '{row}',
    labels: ['level'],
  },
  storeOldest: {
    kind: 'gauge',
    name: 'meshgauge_store_oldest_timestamp_seconds',
    help: 'Unix time in seconds of the oldest content of a level. Normal is its retention ago, or later when the maximum size was reached.',
    unit: 's',
    labels: ['level'],
  },
  storeExpire: {
    kind: 'gauge',
    name: 'meshgauge_store_expire_timestamp_seconds',
    help: 'Unix time in seconds when old content was last removed; 0 if never. Normally minutes ago once the retention is reached.',
    unit: 's',
    labels: [],
  },
  storeWindows: {
    kind: 'counter',
    name: 'meshgauge_store_windows_total',
    help: 'Total number of stored windows of the ping mesh. Normal is one for each path and window length, such as 10 s.',
    unit: '{window}',
    labels: [],
  },
  storeWaiting: {
    kind: 'gauge',
    name: 'meshgauge_store_waiting_windows',
    help: 'Current number of windows that are not sorted by path yet. Normal is the windows of the last two minutes; more means that the maintenance is too slow.',
    unit: '{window}',
    labels: [],
  },
  storeMaintain: {
    kind: 'histogram',
    name: 'meshgauge_store_maintain_seconds',
    help: 'Time in seconds of one piece of store maintenance (roll-ups, retention, size limit), which blocks the collector. Normal is below 0.02 s.',
    unit: 's',
    labels: [],
    buckets: WRITE_SECONDS,
  },
} as const satisfies Record<string, MetricDefinition>
