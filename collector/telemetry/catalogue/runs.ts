import type { MetricDefinition } from './definition.ts'

const RUN_SECONDS = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600]

/** The metrics of runs. */
export const RUN_METRICS = {
  runs: {
    kind: 'counter',
    name: 'meshgauge_runs_total',
    help: 'Total number of ended runs, by final state. Normally all are completed.',
    unit: '{run}',
    labels: ['test', 'topology', 'state'],
  },
  runDuration: {
    kind: 'histogram',
    name: 'meshgauge_run_duration_seconds',
    help: 'Wall time of a run in seconds, from its first pair to its last. Normal is the duration that the plan stated.',
    unit: 's',
    labels: ['test'],
    buckets: RUN_SECONDS,
  },
  runEfficiency: {
    kind: 'gauge',
    name: 'meshgauge_run_efficiency_ratio',
    help: 'Planned wall time divided by the actual wall time of the last iperf run that measured the whole fleet, each pair once. Normal is 0.85 to 1.',
    unit: '1',
    labels: ['test', 'topology'],
  },
  pairs: {
    kind: 'counter',
    name: 'meshgauge_pairs_total',
    help: 'Total number of pairs, by outcome. Normally all are measured.',
    unit: '{pair}',
    labels: ['test', 'outcome'],
  },
  expectationMissed: {
    kind: 'gauge',
    name: 'meshgauge_expectation_missed_pairs',
    help: 'Number of pairs that missed an expectation, such as a minimum throughput, in the last run of a schedule; 1 when only the fleet as a whole missed it. Normal is 0.',
    unit: '{pair}',
    labels: ['schedule', 'test', 'topology', 'expectation'],
  },
  runsActive: {
    kind: 'gauge',
    name: 'meshgauge_runs_active',
    help: 'Current number of runs that are queued or measuring. Normal is 0 or 1.',
    unit: '{run}',
    labels: [],
  },
} as const satisfies Record<string, MetricDefinition>
