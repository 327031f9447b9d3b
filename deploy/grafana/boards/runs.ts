import { dashboard } from '../dashboard.ts'
import { highIsGood, lowIsGood, stat, timeSeries } from '../panels.ts'
import { schedules } from './schedules.ts'

const summary = [
  stat({
    title: 'Active runs',
    description: 'Runs that wait or measure now. Normal is 0 or 1.',
    unit: 'short',
    queries: [{ expr: 'sum(meshgauge_runs_active)', legend: 'active' }],
    next: 'collector',
    width: 6,
  }),
  stat({
    title: 'Runs ended',
    description: 'Runs that ended since the collector started. Normally it grows with your runs.',
    unit: 'short',
    queries: [{ expr: 'sum(meshgauge_runs_total)', legend: 'ended' }],
    next: 'collector',
    width: 6,
  }),
  stat({
    title: 'Failed runs',
    description: 'Runs that failed since the collector started. Normal is 0.',
    unit: 'short',
    queries: [{ expr: 'sum(meshgauge_runs_total{state="failed"}) or vector(0)', legend: 'failed' }],
    steps: lowIsGood(1),
    next: 'collector',
    width: 6,
  }),
  stat({
    title: 'Pairs measured',
    description: 'Share of all pairs with an outcome that were measured. Normal is 100 %.',
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
    description: 'Runs that ended, by the state they ended in. Normally all are completed.',
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
    description: 'Pairs with an outcome. Normally all are measured.',
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
    description: 'Mean wall time of the runs of the last hour. Normal is what the plan said.',
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
      'Of the runs of the last hour, interpolated in buckets. Normal is near the mean when the runs are alike.',
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
    description: "The plan's wall time over the real one, of the last completed run. Normal is 85 to 100 %.",
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
    title: 'Expectations missed',
    description:
      'Pairs that missed an expectation in the last run that had it, such as a floor of throughput. Normal is 0.',
    unit: 'short',
    queries: [
      {
        expr: 'max by (test, topology, expectation) (meshgauge_expectation_missed_pairs)',
        legend: '{{test}} {{topology}} {{expectation}}',
      },
    ],
    next: 'fleet',
  }),
  timeSeries({
    title: 'Pairs under test',
    description: 'Pairs under test at each moment. Normal is up to the width of a round.',
    unit: 'short',
    queries: [{ expr: 'sum by (test) (meshgauge_tests_active)', legend: '{{test}}' }],
    next: 'collector',
  }),
]

export const runs = dashboard({
  board: 'runs',
  title: 'Runs and schedules',
  description:
    'What was run, how it ended and how long it took; what is measured without being asked, and whether it is.',
  panels: [...summary, ...schedules, ...overTime],
})
