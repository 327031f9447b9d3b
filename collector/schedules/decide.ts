import { passed, type Times } from './times.ts'

/** A start that comes this late is still that start, and not one that was missed: a restart takes some seconds. */
const MOST_LATE = 60_000

/** Daily or rarer, with what a change to summer time takes off a day: a start that was missed is made up for. */
const RARE = 20 * 3_600_000

export type Decision =
  /** Nothing to do before `due`; both are undefined when it never starts again. */
  | { kind: 'wait'; considered: number; planned: number | undefined; due: number | undefined; missed: number }
  /** `madeUp`: instead of starts that were missed, and not at any planned time. */
  | { kind: 'start'; considered: number; due: number; missed: number; madeUp: boolean }

/**
 * What a schedule does at a moment. Pure, and right whatever the wall clock did meanwhile: set forward by days it
 * neither starts everything that it jumped over nor waits for it; set back by hours it does not wait until the old
 * time comes again.
 * @param considered the planned time that was last decided about, or when the schedule began
 * @param now Unix milliseconds of the wall clock
 * @param sinceStart milliseconds since its last start by a clock that is never set; two starts are never less than
 * times.spacing apart
 */
export const decide = (times: Times, considered: number, now: number, sinceStart: number): Decision => {
  const half = times.gap / 2
  const from = now < considered - half ? now : considered
  const { count, last } = passed(times, from, now)
  if (last === undefined) return waiting(times, from, 0)
  const due = times.due(last)
  const tooSoon = sinceStart < times.spacing
  const onTime = now - due <= Math.min(half, MOST_LATE)
  if (onTime && !tooSoon) return { kind: 'start', considered: last, due, missed: count - 1, madeUp: false }
  // What is made up for starts now: it is not late, it was missed.
  if (!onTime && !tooSoon && times.gap >= RARE)
    return { kind: 'start', considered: last, due: now, missed: count, madeUp: true }
  return waiting(times, last, count)
}

const waiting = (times: Times, considered: number, missed: number): Decision => {
  const planned = times.after(considered)
  return {
    kind: 'wait',
    considered,
    planned,
    due: planned === undefined ? undefined : times.due(planned),
    missed,
  }
}
