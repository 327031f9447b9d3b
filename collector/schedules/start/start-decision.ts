import { duePlannedTimes, type PlannedTimes } from '../define/planned-times.ts'

/** A start that is late by up to this much still runs, and does not count as missed: a restart takes some seconds. */
const MAX_LATE_MS = 60_000

/**
 * A missed start of a schedule with at least this gap runs once, later: schedules that start daily or less often. A day
 * that changes to summer time has 23 hours.
 */
const CATCH_UP_GAP_MS = 20 * 3_600_000

export type StartDecision =
  /** Nothing to do before `due`. `planned` and `due` are undefined when the schedule never starts again. */
  | { kind: 'wait'; considered: number; planned: number | undefined; due: number | undefined; missed: number }
  /** `isCatchUp`: the start replaces starts that were missed, and is not at a planned time. */
  | { kind: 'start'; considered: number; due: number; missed: number; isCatchUp: boolean }

/**
 * Decides whether a schedule starts at a moment. Pure, and correct after any step of the wall clock: after a step forward
 * by days it does not start everything in between; after a step back by hours it does not wait for the old time.
 * @param considered the last planned time that was decided about, or when the schedule began
 * @param now Unix milliseconds of the wall clock
 * @param sinceStart milliseconds since the last start, on the monotonic clock. Two starts are at least
 * times.minimumSpacing apart.
 */
export const decideStart = (
  times: PlannedTimes,
  considered: number,
  now: number,
  sinceStart: number,
): StartDecision => {
  const halfGap = times.shortestGap / 2
  const from = now < considered - halfGap ? now : considered
  const { count, last } = duePlannedTimes(times, from, now)
  if (last === undefined) return waitAfter(times, from, 0)
  const due = times.dueTime(last)
  const isTooSoon = sinceStart < times.minimumSpacing
  const isOnTime = now - due <= Math.min(halfGap, MAX_LATE_MS)
  if (isOnTime && !isTooSoon)
    return { kind: 'start', considered: last, due, missed: count - 1, isCatchUp: false }
  // A catch-up start is due now: the start that it replaces was missed, and this one is not late.
  if (!isOnTime && !isTooSoon && times.shortestGap >= CATCH_UP_GAP_MS)
    return { kind: 'start', considered: last, due: now, missed: count, isCatchUp: true }
  return waitAfter(times, last, count)
}

const waitAfter = (times: PlannedTimes, considered: number, missed: number): StartDecision => {
  const planned = times.after(considered)
  return {
    kind: 'wait',
    considered,
    planned,
    due: planned === undefined ? undefined : times.dueTime(planned),
    missed,
  }
}
