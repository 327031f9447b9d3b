import { Cron } from 'croner'
import { closest } from '../../../lib/config.ts'

/** The moment from which a pattern is searched for its first time. Patterns have no year, so any moment will do. */
const SEARCH_START = new Date('2025-01-01T00:00:00Z')

/**
 * Parses a crontab line.
 * @param timeZone an IANA time zone; empty for the zone of the collector's host
 * @throws Error for a line or a zone that cronProblem or timeZoneProblem describe
 */
export const parseCron = (pattern: string, timeZone: string): Cron =>
  new Cron(pattern, {
    paused: true,
    mode: '5-or-6-parts',
    ...(timeZone === '' ? {} : { timezone: timeZone }),
  })

/** Why a name is not an IANA time zone, with a hint; undefined when it is one. */
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

/** Why a crontab line cannot be used; undefined when it can. A wrong time zone is reported by timeZoneProblem only. */
export const cronProblem = (pattern: string, timeZone: string): string | undefined => {
  // croner also accepts a single date, which does not recur.
  if (!/^@\w+$|^\S+(\s+\S+){4,5}$/.test(pattern.trim()))
    return `"${pattern}" is not a crontab line: write five fields (minute, hour, day, month, weekday), six with seconds in front, or a name such as @daily`
  try {
    const cron = parseCron(pattern, timeZoneProblem(timeZone) ? '' : timeZone)
    return cron.nextRun(SEARCH_START) ? undefined : `"${pattern}" never occurs`
  } catch (error) {
    if (!(error instanceof Error)) throw error
    return `"${pattern}" is not a crontab line: ${error.message.replace(/^CronPattern: /, '')}`
  }
}
