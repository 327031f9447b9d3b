import { dashboard } from '../dashboard.ts'
import { lowIsGood, quantileQueries, stat, timeSeries } from '../panels.ts'
import { table } from '../tables.ts'
import { ingest } from './collector-ingest.ts'
import { store } from './collector-store.ts'

const RATE = '[$' + '__rate_interval]'

const now = [
  stat({
    title: 'Event loop p99',
    description:
      'Delay of timers of the collector, 99th percentile. Normal is below 20 ms. If higher, look at its CPU and the load of its host.',
    unit: 's',
    queries: [{ expr: 'max(meshgauge_event_loop_delay_seconds{stat="p99"})', legend: 'p99' }],
    steps: lowIsGood(0.02, 0.1),
    next: 'runs',
  }),
  stat({
    title: 'Store errors',
    description:
      'Failed store operations since the collector started. Normal is 0. The log of the collector has the reason, often a full disk.',
    unit: 'short',
    queries: [{ expr: 'sum(meshgauge_store_errors_total) or vector(0)', legend: 'errors' }],
    steps: lowIsGood(1),
    next: 'runs',
  }),
  stat({
    title: 'Active tests',
    description:
      'Number of pairs that are being tested now. Normal is at most the size of a round of the plan.',
    unit: 'short',
    queries: [{ expr: 'sum(meshgauge_tests_active)', legend: 'pairs' }],
    next: 'runs',
  }),
  stat({
    title: 'Pairs without series',
    description:
      'Pairs of the last run, or paths of the mesh, without series because their number exceeds the limit. Normal is 0, or all pairs in a large fleet. The API has all of them.',
    unit: 'short',
    queries: [{ expr: 'sum by (test) (meshgauge_pair_series_dropped)', legend: '{{test}}' }],
    next: 'mesh',
  }),
  table({
    title: 'Version',
    description: 'Number of collectors by version. Normally all have the same version.',
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
    description:
      'Delay of timers of the collector. Normal is below 20 ms at the 99th percentile. If higher, runs take longer: look at its CPU and the load of its host.',
    unit: 's',
    queries: [{ expr: 'max by (stat) (meshgauge_event_loop_delay_seconds)', legend: '{{stat}}' }],
    next: 'runs',
  }),
  timeSeries({
    title: 'Dispatch lag',
    description:
      'Time from when a pair could start until it started, over the last hour. Normal is below 0.1 s. If higher, look at the event loop delay and the store writes.',
    unit: 's',
    queries: quantileQueries('meshgauge_dispatch_lag_seconds', 'le'),
    next: 'runs',
  }),
  timeSeries({
    title: 'Store: time of a write',
    description:
      'Duration of store transactions including the sync to disk, over the last hour. Normal is below 50 ms. If higher, the disk is slow or busy.',
    unit: 's',
    queries: quantileQueries('meshgauge_store_write_seconds', 'operation, le'),
    next: 'runs',
  }),
  timeSeries({
    title: 'Store: writes per second',
    description:
      'Store transactions per second by operation. Normal is about 0 between runs, apart from the ping mesh.',
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
    description:
      'Failed store operations per hour, by operation. Normal is 0. The log of the collector has the reason, often a full disk.',
    unit: 'short',
    queries: [
      { expr: 'sum by (operation) (increase(meshgauge_store_errors_total[1h]))', legend: '{{operation}}' },
    ],
    next: 'runs',
  }),
  timeSeries({
    title: 'Pairs under test',
    description: 'Number of pairs that are being tested. Normal is at most the size of a round of the plan.',
    unit: 'short',
    queries: [{ expr: 'sum by (test) (meshgauge_tests_active)', legend: '{{test}}' }],
    next: 'runs',
  }),
  timeSeries({
    title: 'Memory',
    description:
      'Resident memory and JavaScript heap in use. Normally both are constant after some runs. If they grow for days, report a bug.',
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
    description:
      'CPU usage as a share of one core. Normal is a few percent between runs. Near 100 %, runs and alerts are late: reduce the load of the fleet or use a faster host.',
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
    title: `${title}: per second`,
    description: `Completed calls per second, by method. ${normal}`,
    unit: 'short',
    queries: [
      { expr: `sum by (method) (rate(meshgauge_grpc_${side}_calls_total${RATE}))`, legend: '{{method}}' },
    ],
    next: 'runs',
  }),
  timeSeries({
    title: `${title}: failed, per hour`,
    description:
      'Calls per hour that ended with an error other than cancelled, by method and code. Normal is 0, and unavailable for silent nodes.',
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
    title: `${title}: open`,
    description:
      'Open calls and streams, by method. Normally the number falls again when runs and watches end.',
    unit: 'short',
    queries: [{ expr: `sum by (method) (meshgauge_grpc_${side}_open)`, legend: '{{method}}' }],
    next: 'runs',
  }),
]

const connections = [
  timeSeries({
    title: 'Connections to agents',
    description:
      'Number of agents by state of their gRPC channel. Normally all are ready. `meshgauge nodes` shows the others.',
    unit: 'short',
    queries: [{ expr: 'sum by (state) (meshgauge_agent_connections)', legend: '{{state}}' }],
    next: 'fleet',
  }),
  timeSeries({
    title: 'Queues',
    description:
      'Runs waiting for an interface, and results waiting for the store. Normal is 0 runs, and below 100 results per active run. Growing results mean that the store fails.',
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
      'Results not sent to slow watchers, results not stored when the collector shut down, and values without a series, per hour. Normal is 0.',
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
      'Number of series per scrape. Normal is below 60 per node with two interfaces, and constant while the fleet does not change.',
    unit: 'short',
    queries: [{ expr: 'max by (instance) (meshgauge_series)', legend: '{{instance}}' }],
    next: 'fleet',
  }),
  ...calls('client', 'Calls to agents', 'Normal is one per node every 10 s, plus the calls of tests.'),
  ...calls('server', 'Calls to the collector', 'Normally these are the calls of CLIs and web pages.'),
  timeSeries({
    title: 'Open files',
    description:
      'Open file descriptors and their limit. Normal is a few per node, far below the limit. If near the limit, raise it (`LimitNOFILE=`).',
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
  description: 'Health of the collector itself: its event loop, store, calls and memory.',
  panels: [...now, ...overTime, ...ingest, ...store, ...connections],
})
