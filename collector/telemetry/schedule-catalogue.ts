import type { MetricDefinition } from './definition.ts'

/** What is measured without being asked: one series for each schedule, and never one for each pair. */
export const SCHEDULES = {
  scheduleStarts: {
    kind: 'counter',
    name: 'meshgauge_schedule_starts_total',
    help: 'Starts of a schedule. Normally one for each of its times.',
    unit: '{start}',
    labels: ['schedule'],
  },
  scheduleMissed: {
    kind: 'counter',
    name: 'meshgauge_schedule_missed_total',
    help: 'Starts that were missed because no collector was running. Normal is 0, and some after a longer maintenance.',
    unit: '{start}',
    labels: ['schedule'],
  },
  scheduleLate: {
    kind: 'counter',
    name: 'meshgauge_schedule_late_total',
    help: 'Starts that were more than a second late. Normal is 0.',
    unit: '{start}',
    labels: ['schedule'],
  },
  scheduleSkipped: {
    kind: 'counter',
    name: 'meshgauge_schedule_skipped_total',
    help: 'Starts of which nothing came: overlap, over_budget, nothing_due, blackout or failed. Normal is 0 but for nothing_due and blackout.',
    unit: '{start}',
    labels: ['schedule', 'reason'],
  },
  scheduleLateness: {
    kind: 'gauge',
    name: 'meshgauge_schedule_lateness_seconds',
    help: 'How much later than planned a schedule last started, its jitter not counted. Normal is below 1 s.',
    unit: 's',
    labels: ['schedule'],
  },
  scheduleNextStart: {
    kind: 'gauge',
    name: 'meshgauge_schedule_next_start_timestamp_seconds',
    help: 'When a schedule starts next, in Unix time; absent while it is paused and for a mesh. Normally it lies ahead.',
    unit: 's',
    labels: ['schedule'],
  },
  scheduleLastSuccess: {
    kind: 'gauge',
    name: 'meshgauge_schedule_last_success_timestamp_seconds',
    help: 'When the runs of a start were last all completed, in Unix time. Normally not longer ago than two of its times.',
    unit: 's',
    labels: ['schedule'],
  },
  coveragePairs: {
    kind: 'gauge',
    name: 'meshgauge_coverage_pairs',
    help: 'Pairs that a schedule is to measure within its objective. Normally constant.',
    unit: '{pair}',
    labels: ['schedule'],
  },
  coverageOverdue: {
    kind: 'gauge',
    name: 'meshgauge_coverage_overdue_pairs',
    help: 'Pairs that were not measured within the objective of their schedule: the debt. Normal is 0, once the first time has passed.',
    unit: '{pair}',
    labels: ['schedule'],
  },
} as const satisfies Record<string, MetricDefinition>
