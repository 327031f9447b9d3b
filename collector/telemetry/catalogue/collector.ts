import type { MetricDefinition } from './definition.ts'

const DISPATCH_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** The metrics of the collector itself: its nodes, calls, queues and series. */
export const COLLECTOR_METRICS = {
  nodes: {
    kind: 'gauge',
    name: 'meshgauge_nodes',
    help: 'Current number of nodes of the inventory, by state. Normally all are ready.',
    unit: '{node}',
    labels: ['state'],
  },
  dispatchLag: {
    kind: 'histogram',
    name: 'meshgauge_dispatch_lag_seconds',
    help: 'Time in seconds from the moment when all resources of a pair were free until it started. Normal is below 0.1 s.',
    unit: 's',
    labels: [],
    buckets: DISPATCH_SECONDS,
  },
  testsActive: {
    kind: 'gauge',
    name: 'meshgauge_tests_active',
    help: 'Current number of pairs under test. Normal is up to the width of a round.',
    unit: '{pair}',
    labels: ['test'],
  },
  eventLoopDelay: {
    kind: 'gauge',
    name: 'meshgauge_event_loop_delay_seconds',
    help: "Delay in seconds of the collector's timers over the last seconds (mean, p99, max). Normal is below 0.02 s at the 99th percentile.",
    unit: 's',
    labels: ['stat'],
  },
  buildInfo: {
    kind: 'gauge',
    name: 'meshgauge_build_info',
    help: 'Version of the collector as a label. Always 1.',
    unit: '{build}',
    labels: ['version'],
  },
  agentConnections: {
    kind: 'gauge',
    name: 'meshgauge_agent_connections',
    help: 'Current number of connections to agents, by state of the gRPC channel. Normally all are ready.',
    unit: '{connection}',
    labels: ['state'],
  },
  grpcServerCalls: {
    kind: 'counter',
    name: 'meshgauge_grpc_server_calls_total',
    help: 'Total number of ended calls to the collector, by method and status code. Normal codes are ok and cancelled.',
    unit: '{call}',
    labels: ['method', 'code'],
  },
  grpcServerOpen: {
    kind: 'gauge',
    name: 'meshgauge_grpc_server_open',
    help: 'Current number of open calls to the collector, streams included. Normal is a few: one for each watched run.',
    unit: '{call}',
    labels: ['method'],
  },
  grpcClientCalls: {
    kind: 'counter',
    name: 'meshgauge_grpc_client_calls_total',
    help: 'Total number of ended calls to agents, by method and status code. Normal codes are ok, and cancelled for calls that were stopped.',
    unit: '{call}',
    labels: ['method', 'code'],
  },
  grpcClientOpen: {
    kind: 'gauge',
    name: 'meshgauge_grpc_client_open',
    help: 'Current number of open calls to agents, streams included. Normal is up to two for each pair under test.',
    unit: '{call}',
    labels: ['method'],
  },
  runsQueued: {
    kind: 'gauge',
    name: 'meshgauge_runs_queued',
    help: 'Current number of runs that wait for an interface used by another run. Normal is 0.',
    unit: '{run}',
    labels: [],
  },
  resultsWaiting: {
    kind: 'gauge',
    name: 'meshgauge_results_waiting',
    help: 'Current number of results that are measured and not stored yet. Normal is below 100 for each active run; it grows while the store fails.',
    unit: '{result}',
    labels: [],
  },
  resultsDropped: {
    kind: 'counter',
    name: 'meshgauge_results_dropped_total',
    help: 'Total number of results that were not sent to a watcher that does not read (reason watcher), or not stored when the collector shut down (reason store). Normal is 0.',
    unit: '{result}',
    labels: ['reason'],
  },
  seriesDropped: {
    kind: 'counter',
    name: 'meshgauge_series_dropped_total',
    help: 'Total number of values that got no series because the series budget (20,000 plus 250 per node) was exhausted, by metric. Normal is 0.',
    unit: '{value}',
    labels: ['metric'],
  },
  series: {
    kind: 'gauge',
    name: 'meshgauge_series',
    help: 'Current number of series of this catalogue in a scrape, histogram buckets included. Normal is below 60 for a node with two interfaces, and unchanged after nodes have joined and left.',
    unit: '{series}',
    labels: [],
  },
} as const satisfies Record<string, MetricDefinition>
