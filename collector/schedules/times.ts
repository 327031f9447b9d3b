import { createHash } from 'node:crypto'
import { Cron } from 'croner'
import type { Blackout, ScheduleSpec } from '#proto/meshgauge/collector/v1/schedule.ts'
import { closest } from '../../lib/config.ts'
import { fromDuration } from '../../lib/protobuf-time.ts'

/** Moments are Unix milliseconds, lengths of time are milliseconds. */
export type Times = {
  /** The first planned time after a moment; undefined when there is none. */
  after(moment: number): number | undefined
  /** When the start that is planned for a time is due: by its jitter later, and never after the next planned time. */
  due(planned: number): number
  /** The shortest time from one planned time to the next. */
  readonly gap: number
  /** Starts less far apart than this are none that were planned: the clock was set. */
  readonly spacing: number
}

/** Planned times that passed unnoticed are counted up to here; a schedule of each second and a year without a collector are many. */
const MOST_COUNTED = 1000

/** So many planned times in a row show the shortest gap of any pattern that people write. */
const GAPS_LOOKED_AT = 40

/** Whether a pattern ever comes does not depend on when one asks: it has no year. */
const SOME_MOMENT = new Date('2025-01-01T00:00:00Z')

const asCron = (pattern: string, timeZone: string): Cron =>
  new Cron(pattern, {
    paused: true,
    mode: '5-or-6-parts',
    ...(timeZone === '' ? {} : { timezone: timeZone }),
  })

/** Why it is no time zone, with a hint; undefined when it is one. */
export const timeZoneProblem = (name: string): string | undefined => {
  if (name === '') return undefined
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return undefined
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    const meant = closest(name, Intl.supportedValuesOf('timeZone'))
    return `"${name}" is not an IANA time zone${meant ? `; did you mean ${meant}?` : ', such as Europe/Berlin or UTC'}`
  }
}

/** Why croner cannot use it; undefined when it can. A time zone that is wrong is told elsewhere. */
export const cronProblem = (pattern: string, timeZone: string): string | undefined => {
  // croner also takes a single date, which recurs never.
  if (!/^@\w+$|^\S+(\s+\S+){4,5}$/.test(pattern.trim()))
    return `"${pattern}" is not a crontab line: five fields (minute, hour, day, month, weekday), six with seconds in front, or @daily and the like`
  try {
    const cron = asCron(pattern, timeZoneProblem(timeZone) ? '' : timeZone)
    return cron.nextRun(SOME_MOMENT) ? undefined : `"${pattern}" never comes`
  } catch (error) {
    if (!(error instanceof Error)) throw error
    return `"${pattern}" is not a crontab line: ${error.message.replace(/^CronPattern: /, '')}`
  }
}

/** A number from 0 to below 1 that is always the same for the same start, so that a restart changes nothing. */
const share = (name: string, planned: number): number =>
  createHash('sha256').update(`${name}\0${planned}`).digest().readUInt32BE(0) / 2 ** 32

const gapOf = (after: Times['after'], from: number): number => {
  let gap = Number.POSITIVE_INFINITY
  let planned = after(from)
  for (let index = 0; planned !== undefined && index < GAPS_LOOKED_AT; index++) {
    const next = after(planned)
    if (next !== undefined) gap = Math.min(gap, next - planned)
    planned = next
  }
  return gap
}

const millisecondsOf = (duration: { seconds: number; nanos: number } | undefined): number =>
  Math.round((fromDuration(duration) ?? 0) * 1000)

/**
 * When a schedule starts; undefined for a mesh.
 * @param anchor when the schedule began to be: an interval is counted from there
 * @throws Error for a pattern or a zone in which cronProblem or timeZoneProblem find something
 */
export const timesOf = (spec: ScheduleSpec, anchor: number): Times | undefined => {
  const { when } = spec
  if (!when) return undefined
  let after: Times['after']
  if (when.$case === 'every') {
    const every = millisecondsOf(when.value)
    after = (moment) => anchor + (Math.floor((moment - anchor) / every) + 1) * every
  } else {
    const cron = asCron(when.value, spec.timeZone)
    after = (moment) => cron.nextRun(new Date(moment))?.getTime()
  }
  const jitter = millisecondsOf(spec.jitter)
  const gap = gapOf(after, anchor)
  return {
    after,
    due(planned) {
      if (jitter === 0) return planned
      const room = (after(planned) ?? Number.POSITIVE_INFINITY) - planned
      return planned + Math.floor(share(spec.name, planned) * Math.min(jitter, room))
    },
    gap,
    spacing: Math.max(0, gap - jitter) / 2,
  }
}

/** Planned times after `from` whose starts are due by `now`: how many (up to a bound), and the last of them. */
export const passed = (
  times: Times,
  from: number,
  now: number,
): { count: number; last: number | undefined } => {
  let count = 0
  let last: number | undefined
  for (let planned = times.after(from); planned !== undefined && times.due(planned) <= now; ) {
    count++
    last = planned
    if (count >= MOST_COUNTED) return { count, last: latest(times, planned, now) }
    planned = times.after(planned)
  }
  return { count, last }
}

/** The last planned time whose start is due by `now`, found from the end: there may be millions. */
const latest = (times: Times, known: number, now: number): number => {
  for (let back = times.gap; now - back > known; back *= 2) {
    let found: number | undefined
    for (let planned = times.after(now - back); planned !== undefined && times.due(planned) <= now; ) {
      found = planned
      planned = times.after(planned)
    }
    if (found !== undefined) return found
  }
  return known
}

/** Blackouts that follow on one another are one; those that never end are not followed for ever. */
const MOST_JOINED = 20

/** Whether a moment is blacked out, and until when. */
export type Blackouts = { until(moment: number): number | undefined }

export const blackoutsOf = (list: readonly Blackout[], timeZone: string): Blackouts => {
  const each = list.map(({ cron, duration }) => ({
    cron: asCron(cron, timeZone),
    length: millisecondsOf(duration),
  }))
  const endAt = (moment: number): number | undefined => {
    let end: number | undefined
    for (const { cron, length } of each) {
      let begin = cron.nextRun(new Date(moment - length))?.getTime()
      for (let count = 0; begin !== undefined && begin <= moment && count < MOST_COUNTED; count++) {
        end = Math.max(end ?? 0, begin + length)
        begin = cron.nextRun(new Date(begin))?.getTime()
      }
    }
    return end
  }
  return {
    until(moment) {
      let end = endAt(moment)
      for (let count = 0; end !== undefined && count < MOST_JOINED; count++) {
        const later = endAt(end)
        if (later === undefined) break
        end = later
      }
      return end
    },
  }
}
