import type { StoreLimits } from '../limits.ts'
import type { StoreInfo, StoreLevel } from '../maintenance.ts'
import type { Connection } from './connection.ts'
import { bucketOfKey, FIVE_MINUTES, type Level, ONE_HOUR, RAW } from './mesh/roll-up-levels.ts'
import type { WindowTables } from './mesh/window-tables.ts'
import type { RunExpiry } from './run-expiry.ts'
import { SCHEMA_VERSION } from './schema.ts'
import type { SizeLimiter } from './size-limiter.ts'

type Deps = {
  connection: Connection
  tables: WindowTables
  sizeLimiter: SizeLimiter
  runs: RunExpiry
  limits: StoreLimits
}

/** Returns a function that describes the content and the size of the store. */
export const createStoreInfo = ({
  connection,
  tables,
  sizeLimiter,
  runs,
  limits,
}: Deps): (() => StoreInfo) => {
  const { database, figures, path } = connection
  const { retention, maxBytes } = limits
  // Each subquery reads one end of the index; min and max in one query would read all of it.
  const eventTimes = database.prepare(
    'SELECT (SELECT min(milliseconds) FROM events) AS first, (SELECT max(milliseconds) FROM events) AS last',
  )

  const bucketStart = (level: Level, edge: 'first' | 'last'): number | undefined => {
    const key = tables.levels[level.name][edge].get()?.key
    return typeof key === 'number' ? bucketOfKey(key) * level.spanMs : undefined
  }

  const waitingWindows = () => {
    let count = 0
    for (const buffer of tables.buffers.values()) count += buffer.windowCount()
    return count
  }

  const windowLevel = (level: Level, name: StoreLevel['name'], retentionSeconds: number): StoreLevel => {
    const bufferedMinutes = level === RAW ? [...tables.buffers.keys()] : []
    const starts = [
      bucketStart(level, 'first'),
      bucketStart(level, 'last'),
      ...bufferedMinutes.map((minute) => minute * RAW.spanMs),
    ].filter((start) => start !== undefined)
    return {
      name,
      rows: figures.get(level.name) + (level === RAW ? waitingWindows() : 0),
      oldestMs: starts.length === 0 ? undefined : Math.min(...starts),
      newestMs: starts.length === 0 ? undefined : Math.max(...starts),
      retentionSeconds,
    }
  }

  const runLevel = (): StoreLevel => ({
    name: 'runs',
    rows: figures.get('runs'),
    oldestMs: runs.oldest(),
    newestMs: runs.newest(),
    retentionSeconds: retention.runs,
  })

  const eventLevel = (): StoreLevel => {
    const times = eventTimes.get()
    const timeOf = (value: unknown) => (typeof value === 'number' ? value : undefined)
    return {
      name: 'events',
      rows: figures.get('events'),
      oldestMs: timeOf(times?.first),
      newestMs: timeOf(times?.last),
      retentionSeconds: retention.events,
    }
  }

  return () => {
    const lastExpire = figures.get('last_expire')
    return {
      path,
      schemaVersion: SCHEMA_VERSION,
      ...sizeLimiter.sizes(),
      maxBytes,
      levels: [
        runLevel(),
        windowLevel(RAW, 'raw', retention.raw),
        windowLevel(FIVE_MINUTES, '5m', retention.fiveMinutes),
        windowLevel(ONE_HOUR, '1h', retention.oneHour),
        eventLevel(),
      ],
      waitingWindows: waitingWindows(),
      lastExpireMs: lastExpire === 0 ? undefined : lastExpire,
    }
  }
}
