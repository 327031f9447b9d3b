import type { StoreLimits } from '../limits.ts'
import type { Access } from './access.ts'
import { createCoverageExpiry } from './coverage-expiry.ts'
import { countEntries } from './mesh/codec.ts'
import {
  bucketAt,
  bucketOfKey,
  FIVE_MINUTES,
  keyOf,
  LEVELS,
  type Level,
  ONE_HOUR,
  RAW,
} from './mesh/levels.ts'
import type { RollUp } from './mesh/roll-up.ts'
import type { Tables } from './mesh/tables.ts'
import type { RunRemoval } from './run-removal.ts'
import type { SizeLimiter } from './size-limiter.ts'

/** Rows that a slice removes at most. */
const ROWS_PER_SLICE = 300

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

type Floor = readonly [Level, number]

/**
 * What goes when the room is used up, first line first: the oldest of a level, until it covers only so much time. So
 * the finest level goes first, but never for the last month of the coarsest.
 */
const FLOORS: readonly Floor[] = [
  [RAW, 2 * HOUR],
  [FIVE_MINUTES, 2 * DAY],
  [ONE_HOUR, 60 * DAY],
]
/** Then the oldest runs go, and events before that; and only then the rest of the levels. */
const EVENTS_FLOOR = 2 * DAY
const LAST_FLOORS: readonly Floor[] = [
  [RAW, 10 * MINUTE],
  [FIVE_MINUTES, 2 * HOUR],
  [ONE_HOUR, 2 * HOUR],
]

/** A level goes in whole buckets of the one that is made of it: half of its parts would make a wrong sum. */
const ALIGN: Record<Level['name'], number> = {
  raw: FIVE_MINUTES.spanMs,
  five_minutes: ONE_HOUR.spanMs,
  one_hour: ONE_HOUR.spanMs,
}

export type Expiry = {
  /** Removes a slice of what is too old, or too much; says whether there was any. */
  expire(nowMs: number, isOverdue: () => boolean): boolean
}

type Deps = {
  access: Access
  tables: Tables
  rollUp: RollUp
  room: SizeLimiter
  runs: RunRemoval
  limits: StoreLimits
  /** The nodes of the fleet; undefined while nobody has said. */
  members: () => ReadonlySet<string> | undefined
}

export const createExpiry = ({ access, tables, rollUp, room, runs, limits, members }: Deps): Expiry => {
  const { database, figures, writeLazily } = access
  const { retention } = limits
  const removeCoverage = createCoverageExpiry(access, retention, members)
  const SECONDS: Record<Level['name'], number> = {
    raw: retention.raw,
    five_minutes: retention.fiveMinutes,
    one_hour: retention.oneHour,
  }
  const removeEvents = database.prepare(
    'DELETE FROM events WHERE key IN (SELECT key FROM events WHERE milliseconds < ? LIMIT ?)',
  )

  const fromName = (level: Level) => `${level.name}_from`

  /** Moves the beginning of a level; late windows before it are refused from then on. */
  const moveFrom = (level: Level, toMs: number): boolean => {
    const aligned = Math.floor(toMs / ALIGN[level.name]) * ALIGN[level.name]
    // What a coarser level still needs stays, and so does what it has itself: a finer level never reaches back further.
    const needed = level === ONE_HOUR ? Number.POSITIVE_INFINITY : rollUp.settledUntil(coarser(level))
    const finer = LEVELS[LEVELS.indexOf(level) - 1]
    const bound = Math.min(needed, finer ? figures.get(fromName(finer)) : Number.POSITIVE_INFINITY)
    const target = Math.min(aligned, Math.floor(bound / ALIGN[level.name]) * ALIGN[level.name])
    if (target <= figures.get(fromName(level))) return false
    writeLazily(() => figures.set(fromName(level), target))
    return true
  }

  /**
   * A clock that was ahead took the beginnings with it. Once it is back they come back too, or else all that is measured
   * would be refused until it is that late again.
   */
  const comeBack = (nowMs: number): void => {
    let latest = Math.ceil(nowMs / ALIGN.raw) * ALIGN.raw
    for (const level of LEVELS) {
      latest = Math.floor(latest / ALIGN[level.name]) * ALIGN[level.name]
      if (figures.get(fromName(level)) <= latest) continue
      const from = latest
      writeLazily(() => figures.set(fromName(level), from))
    }
  }

  const removeRows = (level: Level, nowMs: number, isOverdue: () => boolean): boolean => {
    const end = keyOf(bucketAt(level, figures.get(fromName(level))), 0)
    const rows = tables.levels[level.name].range.all(0, end, ROWS_PER_SLICE)
    if (rows.length === 0) return false
    writeLazily(() => {
      for (const { key, body } of rows) {
        tables.levels[level.name].deleteOne.run(Number(key))
        figures.add(level.name, level === RAW ? -countEntries(body as Uint8Array) : -1)
        if (isOverdue()) break
      }
      figures.set('last_expire', nowMs)
    })
    return true
  }

  const removeOldEvents = (beforeMs: number, nowMs: number): boolean =>
    writeLazily(() => {
      const changes = Number(removeEvents.run(beforeMs, ROWS_PER_SLICE).changes)
      if (changes > 0) {
        figures.add('events', -changes)
        figures.set('last_expire', nowMs)
      }
      return changes > 0
    })

  const tooOld = (nowMs: number, isOverdue: () => boolean): boolean => {
    comeBack(nowMs)
    for (const level of LEVELS) {
      moveFrom(level, nowMs - SECONDS[level.name] * 1000)
      if (removeRows(level, nowMs, isOverdue)) return true
    }
    if (removeOldEvents(nowMs - retention.events * 1000, nowMs)) return true
    return runs.removeOld(nowMs - retention.runs * 1000, nowMs, isOverdue) || removeCoverage(nowMs)
  }

  /** The oldest bucket of the first level that has more than its floor. */
  const shorten = (floors: readonly Floor[], nowMs: number): boolean => {
    for (const [level, floor] of floors) {
      const first = tables.levels[level.name].first.get()?.key
      if (typeof first !== 'number') continue
      const oldestMs = bucketOfKey(first) * level.spanMs
      const next = Math.floor(oldestMs / ALIGN[level.name] + 1) * ALIGN[level.name]
      if (next <= nowMs - floor && moveFrom(level, next)) return true
    }
    return false
  }

  const tooMuch = (nowMs: number, isOverdue: () => boolean): boolean =>
    room.isTight() &&
    (shorten(FLOORS, nowMs) ||
      runs.removeOld(nowMs, nowMs, isOverdue) ||
      removeOldEvents(nowMs - EVENTS_FLOOR, nowMs) ||
      shorten(LAST_FLOORS, nowMs))

  return {
    expire: (nowMs, isOverdue) => tooOld(nowMs, isOverdue) || tooMuch(nowMs, isOverdue),
  }
}

const coarser = (level: Level): Level => (level === RAW ? FIVE_MINUTES : ONE_HOUR)
