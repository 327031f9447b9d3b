import { dashboard } from '../dashboard.ts'
import { lowIsGood, stat, timeSeries } from '../panels.ts'
import { table } from '../tables.ts'
import { ingest } from './collector-ingest.ts'

const RATE = '[$' + '__rate_interval]'

const quantiles = (metric: string, by: string) =>
  [0.5, 0.99].map((quantile) => ({
    expr: `histogram_quantile(${quantile}, sum by (${by}) (increase(${metric}_bucket[1h])))`,
    legend: `${by === 'le' ? '' : '{{operation}} '}p${quantile * 100}`,
  }))

const now = [
  stat({
    title: 'Event loop p99',
    description: 'How late timers come, 99th percentile. Normal is below 20 ms.',
    unit: 's',
    queries: [{ expr: 'max(meshgauge_event_loop_delay_seconds{stat="p99"})', legend: 'p99' }],
    steps: lowIsGood(0.02, 0.1),
    next: 'runs',
  }),
  stat({
    title: 'Store errors',
    description: 'Calls of the store that failed since the collector started. Normal is 0.',
    unit: 'short',
    queries: [{ expr: 'sum(meshgauge_store_errors_total) or vector(0)', legend: 'errors' }],
    steps: lowIsGood(1),
    next: 'runs',
  }),
  stat({
    title: 'Active tests',
    description: 'Pairs under test at this moment. Normal is up to the width of a round.',
    unit: 'short',
    queries: [{ expr: 'sum(meshgauge_tests_active)', legend: 'pairs' }],
    next: 'runs',
  }),
  stat({
    title: 'Pairs without series',
    description:
      'Pairs of the last run of a test, or paths of the mesh, that have no series because there are more than the budget. Normal is 0, or all pairs of a large fleet.',
    unit: 'short',
    queries: [{ expr: 'sum by (test) (meshgauge_pair_series_dropped)', legend: '{{test}}' }],
    next: 'mesh',
  }),
  table({
    title: 'Version',
    description: 'Which version runs. Normally one.',
    unit: 'short',
    queries: [{ expr: 'count by (version) (meshgauge_build_info)' }],
    width: 8,
    height: 4,
    next: 'runs',
  }),
]

const overTime = [
  timeSeries({
    title: 'Event loop delay',
    description: 'How late timers of the collector came. Normal is below 20 ms at the 99th percentile.',
    unit: 's',
    queries: [{ expr: 'max by (stat) (meshgauge_event_loop_delay_seconds)', legend: '{{stat}}' }],
    next: 'runs',
  }),
  timeSeries({
    title: 'Dispatch lag',
    description:
      'Between the moment a pair could start and its start, over the last hour. Normal is below 0.1 s.',
    unit: 's',
    queries: quantiles('meshgauge_dispatch_lag_seconds', 'le'),
    next: 'runs',
  }),
  timeSeries({
    title: 'Store: time of a write',
    description: 'Transactions to their durable end, over the last hour. Normal is below 50 ms.',
    unit: 's',
    queries: quantiles('meshgauge_store_write_seconds', 'operation, le'),
    next: 'runs',
  }),
  timeSeries({
    title: 'Store: writes per second',
    description: 'Transactions by operation. Normal is about 0 between runs.',
    unit: 'short',
    queries: [
      {
        expr: `sum by (operation) (rate(meshgauge_store_write_seconds_count${RATE}))`,
        legend: '{{operation}}',
      },
    ],
    next: 'runs',
  }),
  timeSeries({
    title: 'Store: errors, per hour',
    description: 'Calls of the store that failed, such as on a full disk. Normal is 0.',
    unit: 'short',
    queries: [
      { expr: 'sum by (operation) (increase(meshgauge_store_errors_total[1h]))', legend: '{{operation}}' },
    ],
    next: 'runs',
  }),
  timeSeries({
    title: 'Pairs under test',
    description: 'Pairs under test at each moment. Normal is up to the width of a round.',
    unit: 'short',
    queries: [{ expr: 'sum by (test) (meshgauge_tests_active)', legend: '{{test}}' }],
    next: 'runs',
  }),
  timeSeries({
    title: 'Memory',
    description:
      'Resident memory and the part of it that is live JavaScript. Normal is flat once a few runs are over.',
    unit: 'bytes',
    queries: [
      {
        expr: 'process_resident_memory_bytes and on (instance) meshgauge_build_info',
        legend: '{{instance}} resident',
      },
      {
        expr: 'nodejs_heap_size_used_bytes and on (instance) meshgauge_build_info',
        legend: '{{instance}} heap',
      },
    ],
    next: 'runs',
  }),
  timeSeries({
    title: 'CPU',
    description: 'Share of one core. Normal is a few percent between runs; near 100 % everything comes late.',
    unit: 'percentunit',
    queries: [
      {
        expr: `rate(process_cpu_seconds_total${RATE}) and on (instance) meshgauge_build_info`,
        legend: '{{instance}}',
      },
    ],
    next: 'runs',
  }),
]

const calls = (side: 'server' | 'client', title: string, normal: string) => [
  timeSeries({
    title: `${title} per second`,
    description: `By method, those that have ended. ${normal}`,
    unit: 'short',
    queries: [
      { expr: `sum by (method) (rate(meshgauge_grpc_${side}_calls_total${RATE}))`, legend: '{{method}}' },
    ],
    next: 'runs',
  }),
  timeSeries({
    title: `${title} that failed, per hour`,
    description:
      'By method and code; neither ok nor cancelled. Normal is 0, and unavailable while a node is silent.',
    unit: 'short',
    queries: [
      {
        expr: `sum by (method, code) (increase(meshgauge_grpc_${side}_calls_total{code!~"ok|cancelled"}[1h]))`,
        legend: '{{method}} {{code}}',
      },
    ],
    next: 'runs',
  }),
  timeSeries({
    title: `${title} that are open`,
    description:
      'By method, streams among them. Normal is what runs and watchers need, and back to that after them.',
    unit: 'short',
    queries: [{ expr: `sum by (method) (meshgauge_grpc_${side}_open)`, legend: '{{method}}' }],
    next: 'runs',
  }),
]

const store = [
  timeSeries({
    title: 'Store: room',
    description:
      'What it takes on disk, what of it is free, and the bound. Normal is below the bound; near it the oldest goes early.',
    unit: 'bytes',
    queries: [
      { expr: 'max by (instance) (meshgauge_store_size_bytes)', legend: '{{instance}} size' },
      { expr: 'max by (instance) (meshgauge_store_free_bytes)', legend: '{{instance}} free' },
      { expr: 'max by (instance) (meshgauge_store_max_size_bytes)', legend: '{{instance}} bound' },
    ],
    next: 'runs',
  }),
  timeSeries({
    title: 'Store: rows',
    description: 'What it keeps, by level. Normally steady once the retention is reached.',
    unit: 'short',
    queries: [{ expr: 'sum by (level) (meshgauge_store_rows)', legend: '{{level}}' }],
    next: 'runs',
  }),
  timeSeries({
    title: 'Store: age of the oldest content',
    description:
      'By level, and time since old content was last removed. Normal is the retention of the level, and minutes.',
    unit: 's',
    queries: [
      { expr: 'time() - min by (level) (meshgauge_store_oldest_timestamp_seconds)', legend: '{{level}}' },
      { expr: 'time() - max(meshgauge_store_expire_timestamp_seconds)', legend: 'since removal' },
    ],
    next: 'runs',
  }),
  timeSeries({
    title: 'Store: windows per second',
    description: 'Windows of the ping mesh that were stored. Normally one for each path and window length.',
    unit: 'short',
    queries: [{ expr: `sum(rate(meshgauge_store_windows_total${RATE}))`, legend: 'windows' }],
    next: 'runs',
  }),
  timeSeries({
    title: 'Store: windows that wait',
    description: 'Windows that are not sorted by path yet. Normally those of the last two minutes.',
    unit: 'short',
    queries: [{ expr: 'sum(meshgauge_store_waiting_windows)', legend: 'windows' }],
    next: 'runs',
  }),
  timeSeries({
    title: 'Store: time of one piece of maintenance',
    description: 'In which the collector does nothing else, over the last hour. Normal is below 20 ms.',
    unit: 's',
    queries: quantiles('meshgauge_store_maintain_seconds', 'le'),
    next: 'runs',
  }),
]

const inside = [
  timeSeries({
    title: 'Connections to agents',
    description: 'By the state of the gRPC channel. Normally all are ready.',
    unit: 'short',
    queries: [{ expr: 'sum by (state) (meshgauge_agent_connections)', legend: '{{state}}' }],
    next: 'fleet',
  }),
  timeSeries({
    title: 'Queues',
    description:
      'Runs that wait for an interface, and results that wait to be stored. Normal is 0 and below 100 for each run; results pile up while the store fails.',
    unit: 'short',
    queries: [
      { expr: 'sum(meshgauge_runs_queued)', legend: 'runs' },
      { expr: 'sum(meshgauge_results_waiting)', legend: 'results' },
    ],
    next: 'runs',
  }),
  timeSeries({
    title: 'Dropped, per hour',
    description:
      'Results not told to a watcher who does not read, results never stored, and values without a series. Normal is 0.',
    unit: 'short',
    queries: [
      {
        expr: 'sum by (reason) (increase(meshgauge_results_dropped_total[1h]))',
        legend: 'results: {{reason}}',
      },
      {
        expr: 'sum by (metric) (increase(meshgauge_series_dropped_total[1h]))',
        legend: 'series of {{metric}}',
      },
    ],
    next: 'runs',
  }),
  timeSeries({
    title: 'Series',
    description:
      'Series in each scrape. Normal is below 60 for a node with two interfaces, and the same after as before when nodes come and go.',
    unit: 'short',
    queries: [{ expr: 'max by (instance) (meshgauge_series)', legend: '{{instance}}' }],
    next: 'fleet',
  }),
  ...calls(
    'client',
    'Calls to agents',
    'Normal is one for each node in ten seconds, and those of the tests.',
  ),
  ...calls('server', 'Calls to the collector', 'Normally those of command lines and web pages.'),
  timeSeries({
    title: 'Open files',
    description:
      'Descriptors that are open, and how many may be. Normal is a few for each node, far below the limit.',
    unit: 'short',
    queries: [
      { expr: 'process_open_fds and on (instance) meshgauge_build_info', legend: '{{instance}} open' },
      { expr: 'process_max_fds and on (instance) meshgauge_build_info', legend: '{{instance}} limit' },
    ],
    next: 'runs',
  }),
]

export const collector = dashboard({
  board: 'collector',
  title: 'Collector',
  description: 'Whether the collector itself is well: only then can its numbers be believed.',
  panels: [...now, ...overTime, ...ingest, ...store, ...inside],
})
