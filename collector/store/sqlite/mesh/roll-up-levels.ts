/**
 * How windows over time lie in the file. The newest minutes are in `fresh` as they came, one row for each call and
 * minute, and in memory. A minute that is over is sorted by path into `raw`: one row for each path and minute, with the
 * bytes of its windows. From these come `five_minutes` and from them `one_hour`, one row for each path and bucket.
 */

export type LevelName = 'raw' | 'five_minutes' | 'one_hour'

/** A table of windows, and how long its buckets are. */
export type Level = { name: LevelName; spanMs: number }

export const RAW: Level = { name: 'raw', spanMs: 60_000 }
export const FIVE_MINUTES: Level = { name: 'five_minutes', spanMs: 300_000 }
export const ONE_HOUR: Level = { name: 'one_hour', spanMs: 3_600_000 }
export const LEVELS: readonly Level[] = [RAW, FIVE_MINUTES, ONE_HOUR]

/** Paths per bucket that a key has room for; the whole key stays below 2^53 for thousands of years. */
const PATHS = 2 ** 24
export const MAX_PATH = PATHS - 1

/** The key of a path in a bucket: by time first, so that what is added comes last and what is old is first. */
export const keyOf = (bucket: number, path: number): number => bucket * PATHS + path
export const bucketOfKey = (key: number): number => Math.floor(key / PATHS)
export const pathOfKey = (key: number): number => key % PATHS

export const bucketAt = ({ spanMs }: Level, milliseconds: number): number => Math.floor(milliseconds / spanMs)
