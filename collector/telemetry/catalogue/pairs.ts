import type { MetricDefinition } from './definition.ts'

/** The metrics of single pairs. They exist within the budgets of pair-gauges.ts and mesh-path-gauges.ts. */
export const PAIR_METRICS = {
  pairThroughput: {
    kind: 'gauge',
    name: 'meshgauge_pair_throughput_bits_per_second',
    help: "Received throughput in bits per second of a pair in the last iperf run that tried it. Normal is near the interface's speed.",
    unit: '{bit}/s',
    labels: ['source', 'destination', 'interface'],
  },
  pairLoss: {
    kind: 'gauge',
    name: 'meshgauge_pair_loss_ratio',
    help: 'Ratio of lost to sent probes of a pair in the last ping run that tried it. Normal is 0.',
    unit: '1',
    labels: ['source', 'destination', 'interface'],
  },
  pairRtt: {
    kind: 'gauge',
    name: 'meshgauge_pair_rtt_p50_seconds',
    help: 'Median round-trip time in seconds of a pair in the last ping run that tried it. Normal is below 1 ms within a rack.',
    unit: 's',
    labels: ['source', 'destination', 'interface'],
  },
  meshPairLoss: {
    kind: 'gauge',
    name: 'meshgauge_mesh_pair_loss_ratio',
    help: 'Ratio of lost to sent probes on a path of the ping mesh in the last minute. Normal is 0.',
    unit: '1',
    labels: ['source', 'destination', 'interface'],
  },
  meshPairRtt: {
    kind: 'gauge',
    name: 'meshgauge_mesh_pair_rtt_p50_seconds',
    help: 'Median round-trip time in seconds on a path of the ping mesh in the last minute. Normal is below 1 ms within a rack.',
    unit: 's',
    labels: ['source', 'destination', 'interface'],
  },
  pairSeriesDropped: {
    kind: 'gauge',
    name: 'meshgauge_pair_series_dropped',
    help: 'Number of pairs of the last run of a test, or of paths of the ping mesh, without series because there are more than the budget. Normal is 0, or all pairs of a large fleet.',
    unit: '{pair}',
    labels: ['test'],
  },
} as const satisfies Record<string, MetricDefinition>
