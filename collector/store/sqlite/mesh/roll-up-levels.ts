import type { Connection } from '../connection.ts'

/**
 * How windows are laid out in the file. The windows of the newest minutes are in `fresh` as they arrived, one row per
 * call and minute, and in memory. When a minute is over, its windows are sorted by path into `raw`: one row per path and
 * minute with the encoded windows. `five_minutes` is computed from `raw`, and `one_hour` from `five_minutes`: one row per
 * path and bucket with one merged window.
 */

export type LevelName = 'raw' | 'five_minutes' | 'one_hour'

/** A table of windows, and the length of its buckets in milliseconds. */
export type Level = { name: LevelName; spanMs: number }

export const RAW: Level = { name: 'raw', spanMs: 60_000 }
export const FIVE_MINUTES: Level = { name: 'five_minutes', spanMs: 300_000 }
export const ONE_HOUR: Level = { name: 'one_hour', spanMs: 3_600_000 }
export const LEVELS: readonly Level[] = [RAW, FIVE_MINUTES, ONE_HOUR]

/** Returns the level that a roll-up is computed from. */
export const finerThan = (level: Level): Level => (level === ONE_HOUR ? FIVE_MINUTES : RAW)
/** Returns the level that is computed from a level. */
export const coarserThan = (level: Level): Level => (level === RAW ? FIVE_MINUTES : ONE_HOUR)

/** Paths per bucket in the key space. A key stays below 2^53 for thousands of years. */
const PATHS = 2 ** 24
export const MAX_PATH = PATHS - 1

/** Returns the row key of a path in a bucket. Keys sort by time first: new rows are appended, and the oldest are first. */
export const rowKey = (bucket: number, path: number): number => bucket * PATHS + path
export const bucketOfKey = (key: number): number => Math.floor(key / PATHS)
export const pathOfKey = (key: number): number => key % PATHS

/** Returns the number of the bucket that contains a moment. */
export const bucketAt = ({ spanMs }: Level, milliseconds: number): number => Math.floor(milliseconds / spanMs)

/** The name of the figure that holds the start of a level. */
export const retainedFromName = ({ name }: Level): string => `${name}_from`

/** Returns the start of a level in Unix milliseconds: earlier rows have been removed. 0 when none have. */
export const retainedFromMs = ({ figures }: Pick<Connection, 'figures'>, level: Level): number =>
  figures.get(retainedFromName(level))
