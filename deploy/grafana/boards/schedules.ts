import { lowIsGood, stat, timeSeries } from '../panels.ts'
import { tableOf } from '../tables.ts'

/** Pairs that are overdue, of schedules that are as old as their objective: before that they owe nothing. */
export const DEBT =
  'meshgauge_coverage_overdue_pairs and (time() - meshgauge_schedule_created_timestamp_seconds > meshgauge_coverage_objective_seconds)'

/** Their next start has passed by minutes: nobody decides about it. */
export const OVERDUE = 'time() - meshgauge_schedule_next_start_timestamp_seconds > 300'

const perDay = (metric: string): string =>
  `sum by (schedule) (increase(meshgauge_schedule_${metric}_total[1d]))`

const standing = tableOf({
  title: 'Schedules',
  description:
    'Normally the next start lies ahead, the last success is not longer ago than two of its times, and nothing was missed, late or skipped. A mesh never stops: it has no times.',
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
    { title: 'starts of a day', unit: 'short', expr: perDay('starts') },
    { title: 'missed of a day', unit: 'short', expr: perDay('missed') },
    { title: 'late of a day', unit: 'short', expr: perDay('late') },
    {
      title: 'skipped of a day',
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
      title: 'since',
      unit: 'dateTimeFromNow',
      expr: 'max by (schedule) (meshgauge_schedule_created_timestamp_seconds) * 1000',
    },
  ],
  next: 'fleet',
  width: 24,
  height: 7,
})

/** What is measured without being asked. */
export const schedules = [
  stat({
    title: 'Schedules overdue',
    description: 'Schedules whose next start passed more than 5 minutes ago. Normal is 0.',
    unit: 'short',
    queries: [{ expr: `count(${OVERDUE}) or vector(0)`, legend: 'overdue' }],
    steps: lowIsGood(1),
    next: 'collector',
    width: 6,
  }),
  stat({
    title: 'Starts missed in a day',
    description: 'Starts that were missed because no collector was running. Normal is 0.',
    unit: 'short',
    queries: [{ expr: 'sum(increase(meshgauge_schedule_missed_total[1d])) or vector(0)', legend: 'missed' }],
    steps: lowIsGood(1),
    next: 'collector',
    width: 6,
  }),
  stat({
    title: 'Starts that failed in a day',
    description: 'Starts of which nothing came, such as for want of nodes. Normal is 0.',
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
    title: 'Coverage debt',
    description:
      'Pairs not measured within the objective of their schedule, of schedules that had the time for it. Normal is 0.',
    unit: 'short',
    queries: [{ expr: `sum(${DEBT}) or vector(0)`, legend: 'pairs' }],
    steps: lowIsGood(1),
    next: 'fleet',
    width: 6,
  }),
  standing,
  timeSeries({
    title: 'Coverage',
    description:
      'Share of the pairs that were measured within the objective. Normally it rises to 100 % in the first period of a schedule and stays there.',
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
      'Pairs not measured within the objective, and of these the ones never measured. Normal is 0 once the first period has passed.',
    unit: 'short',
    queries: [
      { expr: 'max by (schedule) (meshgauge_coverage_overdue_pairs)', legend: '{{schedule}} overdue' },
      { expr: 'max by (schedule) (meshgauge_coverage_never_pairs)', legend: '{{schedule}} never measured' },
    ],
    next: 'fleet',
  }),
  timeSeries({
    title: 'Starts missed and late, per hour',
    description: 'Missed while no collector ran, and more than a second late. Normal is 0.',
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
    description: 'By reason. Normal is 0 but for nothing_due and blackout.',
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
      'How much later than planned each schedule last started, its jitter not counted. Normal is below 1 s.',
    unit: 's',
    queries: [{ expr: 'max by (schedule) (meshgauge_schedule_lateness_seconds)', legend: '{{schedule}}' }],
    next: 'collector',
  }),
  timeSeries({
    title: 'Budgets',
    description:
      'What was spent of each budget in its sliding time. Normal is below 100 %; there starts become smaller or are left out.',
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
