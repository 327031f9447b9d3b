import { dashboard } from '../dashboard.ts'
import { highIsGood, lowIsGood, stat, timeSeries } from '../panels.ts'
import { schedules } from './schedules.ts'

const summary = [
  stat({
    title: 'Active runs',
    description: 'Number of runs that are queued or measuring. Normal is 0 or 1.',
    unit: 'short',
    queries: [{ expr: 'sum(meshgauge_runs_active)', legend: 'active' }],
    next: 'collector',
    width: 6,
  }),
  stat({
    title: 'Runs ended',
    description:
      'Number of runs that ended since the collector started. Normally it grows with your schedules.',
    unit: 'short',
    queries: [{ expr: 'sum(meshgauge_runs_total)', legend: 'ended' }],
    next: 'collector',
    width: 6,
  }),
  stat({
    title: 'Failed runs',
    description:
      'Number of runs that failed since the collector started. Normal is 0. `meshgauge runs list` shows the reasons.',
    unit: 'short',
    queries: [{ expr: 'sum(meshgauge_runs_total{state="failed"}) or vector(0)', legend: 'failed' }],
    steps: lowIsGood(1),
    next: 'collector',
    width: 6,
  }),
  stat({
    title: 'Pairs measured',
    description:
      'Share of pairs with the outcome measured. Normal is 100 %. Otherwise nodes are silent or unreachable.',
    unit: 'percentunit',
    queries: [
      {
        expr: 'sum(meshgauge_pairs_total{outcome="measured"}) / sum(meshgauge_pairs_total)',
        legend: 'measured',
      },
    ],
    steps: highIsGood(0.9, 0.999),
    next: 'fleet',
    width: 6,
  }),
]

const overTime = [
  timeSeries({
    title: 'Runs by state, per hour',
    description: 'Ended runs per hour, by final state. Normally all are completed.',
    unit: 'short',
    queries: [
      {
        expr: 'sum by (test, state) (increase(meshgauge_runs_total[1h]))',
        legend: '{{test}} {{state}}',
      },
    ],
    next: 'collector',
  }),
  timeSeries({
    title: 'Pairs by outcome, per hour',
    description: 'Pairs per hour, by outcome. Normally all are measured.',
    unit: 'short',
    queries: [
      {
        expr: 'sum by (test, outcome) (increase(meshgauge_pairs_total[1h]))',
        legend: '{{test}} {{outcome}}',
      },
    ],
    next: 'fleet',
  }),
  timeSeries({
    title: 'Duration: mean',
    description:
      'Mean duration of the runs of the last hour, in seconds. Normal is the estimate of the plan.',
    unit: 's',
    queries: [
      {
        expr: 'sum by (test) (increase(meshgauge_run_duration_seconds_sum[1h])) / sum by (test) (increase(meshgauge_run_duration_seconds_count[1h]))',
        legend: '{{test}}',
      },
    ],
    next: 'collector',
  }),
  timeSeries({
    title: 'Duration: 90th percentile',
    description:
      '90th percentile of the duration of runs in the last hour, in seconds, interpolated between buckets. Normal is near the mean when all runs have the same size.',
    unit: 's',
    queries: [
      {
        expr: 'histogram_quantile(0.9, sum by (test, le) (increase(meshgauge_run_duration_seconds_bucket[1h])))',
        legend: '{{test}}',
      },
    ],
    next: 'collector',
  }),
  timeSeries({
    title: 'Efficiency',
    description:
      'Estimated duration divided by actual duration of the last completed run. Normal is 85 to 100 %. If lower, look at the dispatch lag of the collector.',
    unit: 'percentunit',
    queries: [
      {
        expr: 'max by (test, topology) (meshgauge_run_efficiency_ratio)',
        legend: '{{test}} {{topology}}',
      },
    ],
    next: 'collector',
  }),
  timeSeries({
    title: 'Missed expectations',
    description:
      'Number of pairs that missed an expectation, such as a minimum throughput, in the last run of a schedule. Normal is 0. `meshgauge runs show` lists them.',
    unit: 'short',
    queries: [
      {
        expr: 'max by (schedule, test, topology, expectation) (meshgauge_expectation_missed_pairs)',
        legend: '{{schedule}} {{test}} {{topology}} {{expectation}}',
      },
    ],
    next: 'fleet',
  }),
  timeSeries({
    title: 'Pairs under test',
    description: 'Number of pairs that are being tested. Normal is at most the size of a round of the plan.',
    unit: 'short',
    queries: [{ expr: 'sum by (test) (meshgauge_tests_active)', legend: '{{test}}' }],
    next: 'collector',
  }),
]

export const runs = dashboard({
  board: 'runs',
  title: 'Runs and schedules',
  description: 'Runs with their outcomes and durations, and schedules with their coverage of all pairs.',
  panels: [...summary, ...schedules, ...overTime],
})
