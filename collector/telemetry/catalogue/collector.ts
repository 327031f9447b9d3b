import type { MetricDefinition } from './definition.ts'

/** What the collector says of its own connections, queues and series. */
export const SELF = {
  agentConnections: {
    kind: 'gauge',
    name: 'meshgauge_agent_connections',
    help: 'Connections to agents by the state of their gRPC channel. Normally all are ready.',
    unit: '{connection}',
    labels: ['state'],
  },
  grpcServerCalls: {
    kind: 'counter',
    name: 'meshgauge_grpc_server_calls_total',
    help: 'Calls to the collector that have ended, by method and status code. Normal codes are ok and cancelled.',
    unit: '{call}',
    labels: ['method', 'code'],
  },
  grpcServerOpen: {
    kind: 'gauge',
    name: 'meshgauge_grpc_server_open',
    help: 'Calls to the collector that are open, streams among them. Normal is a few: one for each run that is watched.',
    unit: '{call}',
    labels: ['method'],
  },
  grpcClientCalls: {
    kind: 'counter',
    name: 'meshgauge_grpc_client_calls_total',
    help: 'Calls to agents that have ended, by method and status code. Normal is ok, and cancelled for what was stopped.',
    unit: '{call}',
    labels: ['method', 'code'],
  },
  grpcClientOpen: {
    kind: 'gauge',
    name: 'meshgauge_grpc_client_open',
    help: 'Calls to agents that are open, streams among them. Normal is up to two for each pair under test.',
    unit: '{call}',
    labels: ['method'],
  },
  runsQueued: {
    kind: 'gauge',
    name: 'meshgauge_runs_queued',
    help: 'Runs that wait for an interface which another run has. Normal is 0.',
    unit: '{run}',
    labels: [],
  },
  resultsWaiting: {
    kind: 'gauge',
    name: 'meshgauge_results_waiting',
    help: 'Results that are measured and not yet stored. Normal is below 100 for each active run; it grows while the store fails.',
    unit: '{result}',
    labels: [],
  },
  resultsDropped: {
    kind: 'counter',
    name: 'meshgauge_results_dropped_total',
    help: 'Results that were not told to a watcher who does not read (watcher), or never stored (store). Normal is 0.',
    unit: '{result}',
    labels: ['reason'],
  },
  seriesDropped: {
    kind: 'counter',
    name: 'meshgauge_series_dropped_total',
    help: 'Values that got no series because the budget of series (20,000 and 250 a node) was used up, by metric. Normal is 0.',
    unit: '{value}',
    labels: ['metric'],
  },
  series: {
    kind: 'gauge',
    name: 'meshgauge_series',
    help: 'Series of this catalogue that a scrape gets, buckets included. Normal is below 60 for a node with two interfaces, and the same after as before when nodes come and go.',
    unit: '{series}',
    labels: [],
  },
} as const satisfies Record<string, MetricDefinition>
