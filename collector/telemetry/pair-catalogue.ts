import type { MetricDefinition } from './definition.ts'

/** Of single pairs, under a stated budget of series. */
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
  pairSeriesDropped: {
    kind: 'gauge',
    name: 'meshgauge_pair_series_dropped',
    help: 'Pairs of the last run that have no series because the run has more pairs than the budget. Normal is 0, or all pairs of a large fleet.',
    unit: '{pair}',
    labels: ['test'],
  },
} as const satisfies Record<string, MetricDefinition>
