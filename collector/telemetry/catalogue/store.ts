import type { MetricDefinition } from './definition.ts'

const SECONDS_OF_A_WRITE = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]

/** What the store holds, how long it takes and what it could not do. */
export const STORE = {
  storeWrite: {
    kind: 'histogram',
    name: 'meshgauge_store_write_seconds',
    help: 'Time of a transaction of the store, to the durable end. Normal is below 0.05 s.',
    unit: 's',
    labels: ['operation'],
    buckets: SECONDS_OF_A_WRITE,
  },
  storeErrors: {
    kind: 'counter',
    name: 'meshgauge_store_errors_total',
    help: 'Writes of the store, and pieces of its upkeep, that failed, such as on a full disk, and rows of windows that were damaged (operation damaged_row). Normal is 0.',
    unit: '{call}',
    labels: ['operation'],
  },
  storeSize: {
    kind: 'gauge',
    name: 'meshgauge_store_size_bytes',
    help: 'Room that the store takes on disk, its log included. Normal is up to the bound, 4 GiB unless the config says otherwise.',
    unit: 'By',
    labels: [],
  },
  storeFree: {
    kind: 'gauge',
    name: 'meshgauge_store_free_bytes',
    help: 'Room inside the store that is free for what comes. Normal is a small part of its size.',
    unit: 'By',
    labels: [],
  },
  storeMaxSize: {
    kind: 'gauge',
    name: 'meshgauge_store_max_size_bytes',
    help: 'Room that the store may take; near it the oldest content goes early. Normal is what the config says.',
    unit: 'By',
    labels: [],
  },
  storeRows: {
    kind: 'gauge',
    name: 'meshgauge_store_rows',
    help: 'What the store keeps, by level: runs, raw windows, windows of 5m and 1h, events. Normally steady once the retention is reached.',
    unit: '{row}',
    labels: ['level'],
  },
  storeOldest: {
    kind: 'gauge',
    name: 'meshgauge_store_oldest_timestamp_seconds',
    help: 'The oldest content of a level, in Unix time. Normal is its retention ago, or later when the bound is reached before.',
    unit: 's',
    labels: ['level'],
  },
  storeExpire: {
    kind: 'gauge',
    name: 'meshgauge_store_expire_timestamp_seconds',
    help: 'When old content was last removed, in Unix time; 0 when it never was. Normally minutes ago once the retention is reached.',
    unit: 's',
    labels: [],
  },
  storeWindows: {
    kind: 'counter',
    name: 'meshgauge_store_windows_total',
    help: 'Windows of the ping mesh that were stored. Normally one for each path and window length, such as 10 s.',
    unit: '{window}',
    labels: [],
  },
  storeWaiting: {
    kind: 'gauge',
    name: 'meshgauge_store_waiting_windows',
    help: 'Windows that are not sorted by path yet. Normally those of the last two minutes; more means that upkeep falls behind.',
    unit: '{window}',
    labels: [],
  },
  storeMaintain: {
    kind: 'histogram',
    name: 'meshgauge_store_maintain_seconds',
    help: 'Time of one piece of upkeep, in which the collector does nothing else: roll-ups, retention, room. Normal is below 0.02 s.',
    unit: 's',
    labels: [],
    buckets: SECONDS_OF_A_WRITE,
  },
} as const satisfies Record<string, MetricDefinition>
