import type { SchedulesObserver } from '../schedules/schedules.ts'
import type { Metrics } from './metrics.ts'

/** As SCHEDULES says. */
const LATE_SECONDS = 1

/** Shows how schedules fare: a fixed number of series for each of them. */
export const observeSchedules = (metrics: Metrics): SchedulesObserver => {
  const known = new Set<string>()
  /** A counter that begins at its first event hides that event from rate() and increase(). */
  const begin = (schedule: string) => {
    if (known.has(schedule)) return
    known.add(schedule)
    for (const counter of [metrics.scheduleStarts, metrics.scheduleMissed, metrics.scheduleLate])
      counter.add({ schedule }, 0)
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
    observeCoverage: (schedule, { pairCount, overdueCount }) => {
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
        metrics.coveragePairs,
        metrics.coverageOverdue,
      ])
        handle.removeWhere(isOf)
      metrics.scheduleSkipped.removeWhere(isOf)
    },
  }
}
