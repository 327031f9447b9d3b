import type { StoreLimits } from '../limits.ts'
import type { StoreInfo, StoreLevel, StoreUpkeep } from '../windows.ts'
import type { Access } from './access.ts'
import { createBackup } from './backup.ts'
import { bucketOfKey, FIVE_MINUTES, type Level, ONE_HOUR, RAW } from './mesh/levels.ts'
import type { RollUp } from './mesh/roll-up.ts'
import type { Tables } from './mesh/tables.ts'
import { createExpiry } from './retention.ts'
import { createRunRemoval } from './run-removal.ts'
import { SCHEMA_VERSION } from './schema.ts'
import { createSizeLimiter } from './size-limiter.ts'

type Deps = {
  access: Access
  tables: Tables
  rollUp: RollUp
  /** Looks at a row that was found to be damaged; says whether there was any. */
  repair: () => boolean
  limits: StoreLimits
}

const never = () => false

export const createUpkeep = ({ access, tables, rollUp, repair, limits }: Deps): StoreUpkeep => {
  const { database, figures, guarded, path } = access
  const room = createSizeLimiter(access, limits)
  const runs = createRunRemoval(access)
  let members: ReadonlySet<string> | undefined
  const expiry = createExpiry({ access, tables, rollUp, room, runs, limits, members: () => members })
  // Each by itself is a look at one end of the index; both in one go over all of it.
  const eventTimes = database.prepare(
    'SELECT (SELECT min(milliseconds) FROM events) AS first, (SELECT max(milliseconds) FROM events) AS last',
  )

  const bucketStart = (level: Level, edge: 'first' | 'last'): number | undefined => {
    const key = tables.levels[level.name][edge].get()?.key
    return typeof key === 'number' ? bucketOfKey(key) * level.spanMs : undefined
  }

  const waitingWindows = () => {
    let count = 0
    for (const windows of tables.live.values()) count += windows.windowCount()
    return count
  }

  const levelOf = (level: Level, name: StoreLevel['name'], retentionSeconds: number): StoreLevel => {
    const live = level === RAW ? [...tables.live] : []
    const starts = [
      bucketStart(level, 'first'),
      bucketStart(level, 'last'),
      ...live.map(([minute]) => minute * RAW.spanMs),
    ].filter((start) => start !== undefined)
    return {
      name,
      rows: figures.get(level.name) + (level === RAW ? waitingWindows() : 0),
      oldestMs: starts.length === 0 ? undefined : Math.min(...starts),
      newestMs: starts.length === 0 ? undefined : Math.max(...starts),
      retentionSeconds,
    }
  }

  const info = (): StoreInfo => {
    const { retention, maxBytes } = limits
    const events = eventTimes.get()
    const timeOf = (value: unknown) => (typeof value === 'number' ? value : undefined)
    const lastExpire = figures.get('last_expire')
    return {
      path,
      schemaVersion: SCHEMA_VERSION,
      ...room.sizes(),
      maxBytes,
      levels: [
        {
          name: 'runs',
          rows: figures.get('runs'),
          oldestMs: runs.oldest(),
          newestMs: runs.newest(),
          retentionSeconds: retention.runs,
        },
        levelOf(RAW, 'raw', retention.raw),
        levelOf(FIVE_MINUTES, '5m', retention.fiveMinutes),
        levelOf(ONE_HOUR, '1h', retention.oneHour),
        {
          name: 'events',
          rows: figures.get('events'),
          oldestMs: timeOf(events?.first),
          newestMs: timeOf(events?.last),
          retentionSeconds: retention.events,
        },
      ],
      waitingWindows: waitingWindows(),
      lastExpireMs: lastExpire === 0 ? undefined : lastExpire,
    }
  }

  const rollUpPiece = (nowMs: number, isOverdue: () => boolean): boolean =>
    repair() ||
    rollUp.sort(nowMs, isOverdue) ||
    rollUp.rollUp(FIVE_MINUTES, nowMs, isOverdue) ||
    rollUp.rollUp(ONE_HOUR, nowMs, isOverdue)

  /** When there is no room for roll-ups: what is too old makes some. */
  const relieve = (nowMs: number, isOverdue: () => boolean): boolean => {
    room.relieve()
    return expiry.expire(nowMs, isOverdue)
  }

  const maintain = (nowMs: number, isOverdue: () => boolean): boolean => {
    let failure: unknown
    try {
      if (rollUpPiece(nowMs, isOverdue)) return true
    } catch (error) {
      failure = error
    }
    if (failure === undefined) return expiry.expire(nowMs, isOverdue) || room.giveBack()
    if (relieve(nowMs, isOverdue)) return true
    throw failure
  }

  return {
    maintain: (now, isOverdue = never) => guarded(() => maintain(now.getTime(), isOverdue)),
    setMembers: (nodes) => {
      members = nodes
    },
    info: () => guarded(info),
    backup: createBackup(access),
  }
}
