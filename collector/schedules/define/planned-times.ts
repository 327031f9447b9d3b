import { createHash } from 'node:crypto'
import { fromDuration } from '../../../lib/protobuf-time.ts'
import { parseCron } from './cron.ts'
import type { ScheduleSpec } from './schedule-spec.ts'

/** When a schedule starts. Moments are Unix milliseconds, lengths of time are milliseconds. */
export type PlannedTimes = {
  /** The first planned time after a moment; undefined when there is none. */
  after(moment: number): number | undefined
  /** When the start of a planned time is due: later by its jitter, but before the next planned time. */
  dueTime(planned: number): number
  /** The shortest time between two planned times. */
  readonly shortestGap: number
  /** Two starts closer than this cannot both be planned: the wall clock was set. */
  readonly minimumSpacing: number
}

/** Missed planned times are counted up to this number: a schedule of each second misses 31 million a year. */
const MAX_COUNTED = 1000

/** This number of successive planned times shows the shortest gap of any pattern in practical use. */
const GAPS_EXAMINED = 40

const millisecondsOf = (duration: { seconds: number; nanos: number } | undefined): number =>
  Math.round((fromDuration(duration) ?? 0) * 1000)

/** A number from 0 to below 1, always the same for the same start, so that a restart changes nothing. */
const jitterShare = (name: string, planned: number): number =>
  createHash('sha256').update(`${name}\0${planned}`).digest().readUInt32BE(0) / 2 ** 32

const shortestGapOf = (after: PlannedTimes['after'], from: number): number => {
  let gap = Number.POSITIVE_INFINITY
  let planned = after(from)
  for (let index = 0; planned !== undefined && index < GAPS_EXAMINED; index++) {
    const next = after(planned)
    if (next !== undefined) gap = Math.min(gap, next - planned)
    planned = next
  }
  return gap
}

/**
 * The planned times of a schedule; undefined for a mesh, which has none.
 * @param anchor when the schedule was created or last changed: intervals are counted from there
 * @throws Error for a pattern or a zone in which cronProblem or timeZoneProblem find something
 */
export const plannedTimesOf = (spec: ScheduleSpec, anchor: number): PlannedTimes | undefined => {
  const { when } = spec
  if (!when) return undefined
  let after: PlannedTimes['after']
  if (when.kind === 'every') {
    const every = Math.round(when.seconds * 1000)
    after = (moment) => anchor + (Math.floor((moment - anchor) / every) + 1) * every
  } else {
    const cron = parseCron(when.cron, spec.timeZone)
    after = (moment) => cron.nextRun(new Date(moment))?.getTime()
  }
  const jitter = millisecondsOf(spec.jitter)
  const shortestGap = shortestGapOf(after, anchor)
  return {
    after,
    dueTime(planned) {
      if (jitter === 0) return planned
      const gap = (after(planned) ?? Number.POSITIVE_INFINITY) - planned
      return planned + Math.floor(jitterShare(spec.name, planned) * Math.min(jitter, gap))
    },
    shortestGap,
    minimumSpacing: Math.max(0, shortestGap - jitter) / 2,
  }
}

/** The planned times after `from` whose starts are due by `now`: their count (at most MAX_COUNTED), and the last one. */
export const duePlannedTimes = (
  times: PlannedTimes,
  from: number,
  now: number,
): { count: number; last: number | undefined } => {
  let count = 0
  let last: number | undefined
  for (let planned = times.after(from); planned !== undefined && times.dueTime(planned) <= now; ) {
    count++
    last = planned
    if (count >= MAX_COUNTED) return { count, last: lastDue(times, planned, now) }
    planned = times.after(planned)
  }
  return { count, last }
}

/** The last planned time that is due by `now`. Searches backwards from `now`, because there may be millions. */
const lastDue = (times: PlannedTimes, known: number, now: number): number => {
  for (let back = times.shortestGap; now - back > known; back *= 2) {
    let found: number | undefined
    for (let planned = times.after(now - back); planned !== undefined && times.dueTime(planned) <= now; ) {
      found = planned
      planned = times.after(planned)
    }
    if (found !== undefined) return found
  }
  return known
}
