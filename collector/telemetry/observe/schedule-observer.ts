import type { SchedulesObserver } from '../../schedules/schedules.ts'
import type { SkipReason } from '../../schedules/state/start-history.ts'
import type { Metrics } from '../catalogue/metrics.ts'

const SKIP_REASONS: readonly SkipReason[] = ['overlap', 'over_budget', 'nothing_due', 'blackout', 'failed']

/** A start counts as late beyond this delay, as the help of meshgauge_schedule_late_total states. */
const LATE_SECONDS = 1

/** Creates the observer of schedules. Each schedule has a fixed number of series. */
export const createScheduleObserver = (metrics: Metrics): SchedulesObserver => {
  const known = new Set<string>()
  /** Starts the counters of a schedule at 0, because rate() and increase() ignore the first sample of a series. */
  const begin = (schedule: string) => {
    if (known.has(schedule)) return
    known.add(schedule)
    for (const counter of [metrics.scheduleStarts, metrics.scheduleMissed, metrics.scheduleLate])
      counter.add({ schedule }, 0)
    for (const reason of SKIP_REASONS) metrics.scheduleSkipped.add({ schedule, reason }, 0)
  }
  return {
    observeStart: (schedule, lateness) => {
      metrics.scheduleStarts.add({ schedule })
      metrics.scheduleLateness.set({ schedule }, lateness)
      if (lateness > LATE_SECONDS) metrics.scheduleLate.add({ schedule })
    },
    observeMissed: (schedule, count) => metrics.scheduleMissed.add({ schedule }, count),
    observeSkipped: (schedule, reason) => metrics.scheduleSkipped.add({ schedule, reason }),
    observeTimes: (schedule, next, lastSuccess) => {
      begin(schedule)
      if (next === undefined) metrics.scheduleNextStart.remove({ schedule })
      else metrics.scheduleNextStart.set({ schedule }, next / 1000)
      if (lastSuccess !== undefined) metrics.scheduleLastSuccess.set({ schedule }, lastSuccess / 1000)
    },
    observeBudget: (schedule, since, use) => {
      metrics.scheduleCreated.set({ schedule }, since / 1000)
      for (const [resource, ratio] of Object.entries(use)) {
        if (ratio === undefined) metrics.scheduleBudget.remove({ schedule, resource })
        else metrics.scheduleBudget.set({ schedule, resource }, ratio)
      }
    },
    observeCoverage: (schedule, { pairCount, overdueCount, neverCount }, withinSeconds) => {
      metrics.coverageObjective.set({ schedule }, withinSeconds)
      metrics.coverageNever.set({ schedule }, neverCount)
      metrics.coveragePairs.set({ schedule }, pairCount)
      metrics.coverageOverdue.set({ schedule }, overdueCount)
    },
    forget: (schedule) => {
      known.delete(schedule)
      const isOf = (labels: { schedule: string }) => labels.schedule === schedule
      for (const handle of [
        metrics.scheduleStarts,
        metrics.scheduleMissed,
        metrics.scheduleLate,
        metrics.scheduleLateness,
        metrics.scheduleNextStart,
        metrics.scheduleLastSuccess,
        metrics.scheduleCreated,
        metrics.coverageObjective,
        metrics.coverageNever,
        metrics.coveragePairs,
        metrics.coverageOverdue,
      ])
        handle.removeWhere(isOf)
      metrics.scheduleSkipped.removeWhere(isOf)
      metrics.scheduleBudget.removeWhere(isOf)
      metrics.expectationMissed.removeWhere(isOf)
    },
  }
}
