import type { StoreLimits } from '../limits.ts'
import type { Connection } from './connection.ts'
import { createCoverageExpiry } from './coverage.ts'
import type { RollUp } from './mesh/roll-up.ts'
import {
  bucketAt,
  bucketOfKey,
  coarserThan,
  FIVE_MINUTES,
  LEVELS,
  type Level,
  ONE_HOUR,
  RAW,
  retainedFromMs,
  retainedFromName,
  rowKey,
} from './mesh/roll-up-levels.ts'
import { countEntries } from './mesh/window-codec.ts'
import type { WindowTables } from './mesh/window-tables.ts'
import type { RunExpiry } from './run-expiry.ts'
import type { SizeLimiter } from './size-limiter.ts'

/** Maximum number of rows that a slice removes. */
const ROWS_PER_SLICE = 300

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** A level and the time in milliseconds that it keeps at least. */
type Floor = readonly [Level, number]

/**
 * Near the maximum size, the oldest content of the first level that covers more than its floor is removed. So the finest
 * level shrinks first, but the 1-hour level keeps 60 days.
 */
const FLOORS: readonly Floor[] = [
  [RAW, 2 * HOUR],
  [FIVE_MINUTES, 2 * DAY],
  [ONE_HOUR, 60 * DAY],
]
/** When all levels are at their floors, the oldest runs and then events are removed, and the levels shrink to these. */
const EVENTS_FLOOR = 2 * DAY
const LAST_FLOORS: readonly Floor[] = [
  [RAW, 10 * MINUTE],
  [FIVE_MINUTES, 2 * HOUR],
  [ONE_HOUR, 2 * HOUR],
]

/** A level is removed in whole buckets of the next coarser level: a roll-up of half a bucket would be wrong. */
const ALIGN: Record<Level['name'], number> = {
  raw: FIVE_MINUTES.spanMs,
  five_minutes: ONE_HOUR.spanMs,
  one_hour: ONE_HOUR.spanMs,
}

const alignDown = (level: Level, milliseconds: number): number =>
  Math.floor(milliseconds / ALIGN[level.name]) * ALIGN[level.name]

export type Expiry = {
  /** Removes one slice of content beyond its retention or the maximum size. Returns whether there was any. */
  expire(nowMs: number, isOverdue: () => boolean): boolean
}

type Deps = {
  connection: Connection
  tables: WindowTables
  rollUp: RollUp
  sizeLimiter: SizeLimiter
  runs: RunExpiry
  limits: StoreLimits
  /** Returns the nodes of the fleet; undefined before they are known. */
  members: () => ReadonlySet<string> | undefined
}

/** Removes windows. Each level has a start time in `figures`; rows before it are deleted and late windows refused. */
const createWindowExpiry = ({
  connection,
  tables,
  rollUp,
}: Pick<Deps, 'connection' | 'tables' | 'rollUp'>) => {
  const { figures, writeLazily } = connection

  const setStart = (level: Level, milliseconds: number): void => {
    writeLazily(() => figures.set(retainedFromName(level), milliseconds))
  }

  /** Moves the start of a level forward. Returns whether it moved. */
  const moveStart = (level: Level, toMs: number): boolean => {
    // Keeps what a coarser level still needs for its roll-up, and what no finer level covers.
    const needed = level === ONE_HOUR ? Number.POSITIVE_INFINITY : rollUp.settledUntil(coarserThan(level))
    const finer = LEVELS[LEVELS.indexOf(level) - 1]
    const bound = Math.min(needed, finer ? retainedFromMs(connection, finer) : Number.POSITIVE_INFINITY)
    const target = Math.min(alignDown(level, toMs), alignDown(level, bound))
    if (target <= retainedFromMs(connection, level)) return false
    setStart(level, target)
    return true
  }

  return {
    moveStart,
    /**
     * Moves starts in the future back to the present. A clock that was ahead moved them there; without this, all new
     * windows would be refused until that time.
     */
    correctFutureStarts: (nowMs: number): void => {
      let latest = Math.ceil(nowMs / ALIGN.raw) * ALIGN.raw
      for (const level of LEVELS) {
        latest = alignDown(level, latest)
        if (retainedFromMs(connection, level) > latest) setStart(level, latest)
      }
    },
    /** Deletes one slice of the rows before the start of a level. Returns whether there were any. */
    removeRows: (level: Level, nowMs: number, isOverdue: () => boolean): boolean => {
      const end = rowKey(bucketAt(level, retainedFromMs(connection, level)), 0)
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
    },
    /** Moves the start of the first level that covers more than its floor by one bucket. Returns whether there was one. */
    shrink: (floors: readonly Floor[], nowMs: number): boolean => {
      for (const [level, floor] of floors) {
        const first = tables.levels[level.name].first.get()?.key
        if (typeof first !== 'number') continue
        const next = alignDown(level, bucketOfKey(first) * level.spanMs) + ALIGN[level.name]
        if (next <= nowMs - floor && moveStart(level, next)) return true
      }
      return false
    },
  }
}

const createEventExpiry = ({ database, figures, writeLazily }: Connection) => {
  const remove = database.prepare(
    'DELETE FROM events WHERE key IN (SELECT key FROM events WHERE milliseconds < ? LIMIT ?)',
  )
  return (beforeMs: number, nowMs: number): boolean =>
    writeLazily(() => {
      const changes = Number(remove.run(beforeMs, ROWS_PER_SLICE).changes)
      if (changes > 0) {
        figures.add('events', -changes)
        figures.set('last_expire', nowMs)
      }
      return changes > 0
    })
}

export const createExpiry = (deps: Deps): Expiry => {
  const { connection, sizeLimiter, runs, limits, members } = deps
  const { retention } = limits
  const windows = createWindowExpiry(deps)
  const removeEvents = createEventExpiry(connection)
  const removeCoverage = createCoverageExpiry(connection, retention, members)
  const retentionSeconds: Record<Level['name'], number> = {
    raw: retention.raw,
    five_minutes: retention.fiveMinutes,
    one_hour: retention.oneHour,
  }

  const removeExpired = (nowMs: number, isOverdue: () => boolean): boolean => {
    windows.correctFutureStarts(nowMs)
    for (const level of LEVELS) {
      windows.moveStart(level, nowMs - retentionSeconds[level.name] * 1000)
      if (windows.removeRows(level, nowMs, isOverdue)) return true
    }
    if (removeEvents(nowMs - retention.events * 1000, nowMs)) return true
    return runs.removeOld(nowMs - retention.runs * 1000, nowMs, isOverdue) || removeCoverage(nowMs)
  }

  const removeExcess = (nowMs: number, isOverdue: () => boolean): boolean =>
    sizeLimiter.isNearLimit() &&
    (windows.shrink(FLOORS, nowMs) ||
      runs.removeOld(nowMs, nowMs, isOverdue) ||
      removeEvents(nowMs - EVENTS_FLOOR, nowMs) ||
      windows.shrink(LAST_FLOORS, nowMs))

  return {
    expire: (nowMs, isOverdue) => removeExpired(nowMs, isOverdue) || removeExcess(nowMs, isOverdue),
  }
}
