import { quantileQueries, timeSeries } from '../panels.ts'

const RATE = '[$' + '__rate_interval]'

/** Size, content and maintenance of the store. */
export const store = [
  timeSeries({
    title: 'Store: disk space',
    description:
      'Size on disk, free space inside the store, and the maximum size. Normal is below the maximum. Near it, the oldest content is deleted before its retention ends: raise `storage.max_size`.',
    unit: 'bytes',
    queries: [
      { expr: 'max by (instance) (meshgauge_store_size_bytes)', legend: '{{instance}} size' },
      { expr: 'max by (instance) (meshgauge_store_free_bytes)', legend: '{{instance}} free' },
      { expr: 'max by (instance) (meshgauge_store_max_size_bytes)', legend: '{{instance}} maximum' },
    ],
    next: 'runs',
  }),
  timeSeries({
    title: 'Store: rows',
    description:
      'Number of stored rows, by level of resolution. Normally constant after the retention time has passed once.',
    unit: 'short',
    queries: [{ expr: 'sum by (level) (meshgauge_store_rows)', legend: '{{level}}' }],
    next: 'runs',
  }),
  timeSeries({
    title: 'Store: age of the oldest content',
    description:
      'Age of the oldest content by level, and time since old content was last removed. Normal is the retention of the level, and some minutes.',
    unit: 's',
    queries: [
      { expr: 'time() - min by (level) (meshgauge_store_oldest_timestamp_seconds)', legend: '{{level}}' },
      { expr: 'time() - max(meshgauge_store_expire_timestamp_seconds)', legend: 'since removal' },
    ],
    next: 'runs',
  }),
  timeSeries({
    title: 'Store: windows per second',
    description:
      'Stored windows of the ping mesh per second. Normal is one per path in each window length (default 10 s).',
    unit: 'short',
    queries: [{ expr: `sum(rate(meshgauge_store_windows_total${RATE}))`, legend: 'windows' }],
    next: 'runs',
  }),
  timeSeries({
    title: 'Store: windows waiting for maintenance',
    description:
      'Windows that are not sorted by path yet. Normal is the number of two minutes. If it grows, maintenance is too slow: look at the CPU of the collector.',
    unit: 'short',
    queries: [{ expr: 'sum(meshgauge_store_waiting_windows)', legend: 'windows' }],
    next: 'runs',
  }),
  timeSeries({
    title: 'Store: time of a maintenance step',
    description:
      'Duration of one maintenance step, during which the collector does nothing else, over the last hour. Normal is below 20 ms.',
    unit: 's',
    queries: quantileQueries('meshgauge_store_maintain_seconds', 'le'),
    next: 'runs',
  }),
]
