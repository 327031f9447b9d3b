import { lowIsGood, stat, timeSeries } from '../panels.ts'
import { multiColumnTable } from '../tables.ts'

/** Overdue pairs of schedules that are older than their objective. In its first period a schedule cannot have measured all. */
export const OVERDUE_PAIRS =
  'meshgauge_coverage_overdue_pairs and (time() - meshgauge_schedule_created_timestamp_seconds > meshgauge_coverage_objective_seconds)'

/** Schedules whose next start is more than 5 minutes in the past, so the collector does not start them. */
export const OVERDUE_SCHEDULES = 'time() - meshgauge_schedule_next_start_timestamp_seconds > 300'

const perDay = (metric: string): string =>
  `sum by (schedule) (increase(meshgauge_schedule_${metric}_total[1d]))`

const scheduleTable = multiColumnTable({
  title: 'Schedules',
  description:
    'All schedules with their next start, last success and the starts of the last day. Normally the next start is in the future, the last success is at most two intervals ago, and no start was missed, late or skipped. A mesh is always on and has no start times.',
  columns: [
    {
      title: 'next start',
      unit: 'dateTimeFromNow',
      expr: 'max by (schedule) (meshgauge_schedule_next_start_timestamp_seconds) * 1000',
    },
    {
      title: 'last success',
      unit: 'dateTimeFromNow',
      expr: 'max by (schedule) (meshgauge_schedule_last_success_timestamp_seconds) * 1000',
    },
    { title: 'lateness', unit: 's', expr: 'max by (schedule) (meshgauge_schedule_lateness_seconds)' },
    { title: 'starts per day', unit: 'short', expr: perDay('starts') },
    { title: 'missed per day', unit: 'short', expr: perDay('missed') },
    { title: 'late per day', unit: 'short', expr: perDay('late') },
    {
      title: 'skipped per day',
      unit: 'short',
      expr: 'sum by (schedule) (increase(meshgauge_schedule_skipped_total{reason!="nothing_due"}[1d]))',
    },
    { title: 'pairs', unit: 'short', expr: 'max by (schedule) (meshgauge_coverage_pairs)' },
    { title: 'overdue pairs', unit: 'short', expr: 'max by (schedule) (meshgauge_coverage_overdue_pairs)' },
    {
      title: 'objective',
      unit: 's',
      expr: 'max by (schedule) (meshgauge_coverage_objective_seconds)',
    },
    {
      title: 'created',
      unit: 'dateTimeFromNow',
      expr: 'max by (schedule) (meshgauge_schedule_created_timestamp_seconds) * 1000',
    },
  ],
  next: 'fleet',
  width: 24,
  height: 7,
})

/** Starts, coverage and budgets of schedules. */
export const schedules = [
  stat({
    title: 'Schedules overdue',
    description:
      'Number of schedules whose next start is more than 5 minutes in the past. Normal is 0. If not, look at the log of the collector.',
    unit: 'short',
    queries: [{ expr: `count(${OVERDUE_SCHEDULES}) or vector(0)`, legend: 'overdue' }],
    steps: lowIsGood(1),
    next: 'collector',
    width: 6,
  }),
  stat({
    title: 'Starts missed in a day',
    description: 'Starts in the last day that were missed because no collector was running. Normal is 0.',
    unit: 'short',
    queries: [{ expr: 'sum(increase(meshgauge_schedule_missed_total[1d])) or vector(0)', legend: 'missed' }],
    steps: lowIsGood(1),
    next: 'collector',
    width: 6,
  }),
  stat({
    title: 'Starts that failed in a day',
    description:
      'Starts in the last day that created no run, for example because nodes were silent. Normal is 0. `meshgauge schedules show` has the reason.',
    unit: 'short',
    queries: [
      {
        expr: 'sum(increase(meshgauge_schedule_skipped_total{reason="failed"}[1d])) or vector(0)',
        legend: 'failed',
      },
    ],
    steps: lowIsGood(1),
    next: 'fleet',
    width: 6,
  }),
  stat({
    title: 'Overdue pairs now',
    description:
      'Pairs not measured within the objective of their schedule, without schedules in their first period. Normal is 0. `meshgauge coverage` lists them.',
    unit: 'short',
    queries: [{ expr: `sum(${OVERDUE_PAIRS}) or vector(0)`, legend: 'pairs' }],
    steps: lowIsGood(1),
    next: 'fleet',
    width: 6,
  }),
  scheduleTable,
  timeSeries({
    title: 'Coverage',
    description:
      'Share of pairs measured within the objective. Normally it rises to 100 % in the first period of a schedule and remains there.',
    unit: 'percentunit',
    queries: [
      {
        expr: '1 - max by (schedule) (meshgauge_coverage_overdue_pairs) / (max by (schedule) (meshgauge_coverage_pairs) > 0)',
        legend: '{{schedule}}',
      },
    ],
    next: 'fleet',
    max: 1,
  }),
  timeSeries({
    title: 'Overdue pairs',
    description:
      'Pairs not measured within the objective, and those never measured. Normal is 0 after the first period. `meshgauge coverage` lists them.',
    unit: 'short',
    queries: [
      { expr: 'max by (schedule) (meshgauge_coverage_overdue_pairs)', legend: '{{schedule}} overdue' },
      { expr: 'max by (schedule) (meshgauge_coverage_never_pairs)', legend: '{{schedule}} never measured' },
    ],
    next: 'fleet',
  }),
  timeSeries({
    title: 'Starts missed and late, per hour',
    description:
      'Starts per hour that were missed because no collector was running, and starts that were more than a second late. Normal is 0.',
    unit: 'short',
    queries: [
      {
        expr: 'sum by (schedule) (increase(meshgauge_schedule_missed_total[1h]))',
        legend: '{{schedule}} missed',
      },
      {
        expr: 'sum by (schedule) (increase(meshgauge_schedule_late_total[1h]))',
        legend: '{{schedule}} late',
      },
    ],
    next: 'collector',
  }),
  timeSeries({
    title: 'Starts skipped, per hour',
    description: 'Skipped starts per hour, by reason. Normal is 0, except for nothing_due and blackout.',
    unit: 'short',
    queries: [
      {
        expr: 'sum by (schedule, reason) (increase(meshgauge_schedule_skipped_total[1h]))',
        legend: '{{schedule}} {{reason}}',
      },
    ],
    next: 'fleet',
  }),
  timeSeries({
    title: 'Lateness',
    description:
      'Delay of the last start of each schedule in seconds, without its jitter. Normal is below 1 s.',
    unit: 's',
    queries: [{ expr: 'max by (schedule) (meshgauge_schedule_lateness_seconds)', legend: '{{schedule}}' }],
    next: 'collector',
  }),
  timeSeries({
    title: 'Budgets',
    description:
      'Used share of each budget in its sliding period. Normal is below 100 %. At 100 %, starts measure fewer pairs or are skipped.',
    unit: 'percentunit',
    queries: [
      {
        expr: 'max by (schedule, resource) (meshgauge_schedule_budget_ratio)',
        legend: '{{schedule}} {{resource}}',
      },
    ],
    steps: lowIsGood(0.8, 1),
    next: 'fleet',
  }),
]
