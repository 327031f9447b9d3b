import type { MetricDefinition } from './definition.ts'

/** A series for each pair, as long as there are few enough: see pairs.ts and mesh-paths.ts. */
export const PAIRS = {
  pairThroughput: {
    kind: 'gauge',
    name: 'meshgauge_pair_throughput_bits_per_second',
    help: "Received throughput of a pair in its last iperf run. Normal is near the interface's speed.",
    unit: '{bit}/s',
    labels: ['source', 'destination', 'interface'],
  },
  pairLoss: {
    kind: 'gauge',
    name: 'meshgauge_pair_loss_ratio',
    help: 'Probes lost over probes sent of a pair in its last ping run. Normal is 0.',
    unit: '1',
    labels: ['source', 'destination', 'interface'],
  },
  pairRtt: {
    kind: 'gauge',
    name: 'meshgauge_pair_rtt_p50_seconds',
    help: 'Median round-trip time of a pair in its last ping run. Normal is below 1 ms in a rack.',
    unit: 's',
    labels: ['source', 'destination', 'interface'],
  },
  meshPairLoss: {
    kind: 'gauge',
    name: 'meshgauge_mesh_pair_loss_ratio',
    help: 'Probes of the ping mesh lost over probes sent on a path in the last minute. Normal is 0.',
    unit: '1',
    labels: ['source', 'destination', 'interface'],
  },
  meshPairRtt: {
    kind: 'gauge',
    name: 'meshgauge_mesh_pair_rtt_p50_seconds',
    help: 'Median round-trip time on a path of the ping mesh in the last minute. Normal is below 1 ms in a rack.',
    unit: 's',
    labels: ['source', 'destination', 'interface'],
  },
  pairSeriesDropped: {
    kind: 'gauge',
    name: 'meshgauge_pair_series_dropped',
    help: 'Pairs of the last run of a test, or paths of the mesh, that have no series because there are more than the budget. Normal is 0, or all pairs of a large fleet.',
    unit: '{pair}',
    labels: ['test'],
  },
} as const satisfies Record<string, MetricDefinition>
