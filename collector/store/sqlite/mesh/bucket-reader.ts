import { bucketAt, FIVE_MINUTES, finerThan, type Level, ONE_HOUR, RAW, rowKey } from './roll-up-levels.ts'
import { addWindow } from './window-codec.ts'
import { addSum, emptyWindowSum, type WindowSum } from './window-sum.ts'
import type { WindowTables } from './window-tables.ts'

/** Reads a path's bucket of any level. A roll-up that is missing or outdated is computed from the finer levels. */
export type BucketReader = {
  /** Returns the windows of the bucket; at most one for a roll-up level. */
  windows(level: Level, bucket: number, path: number): WindowSum[]
  /** Merges the bucket from the next finer level; undefined when it is empty. */
  merged(level: Level, bucket: number, path: number): WindowSum | undefined
}

export const createBucketReader = (tables: WindowTables): BucketReader => {
  const { levels, todo, buffers, damagedRows } = tables

  /** Decodes one window; returns none when it is damaged. */
  const decode = ({ name }: Level, key: number, bytes: Uint8Array, originMs: number): WindowSum[] =>
    damagedRows.tolerate(
      name,
      key,
      () => {
        const sum = emptyWindowSum()
        addWindow(sum, { bytes, at: 0 }, originMs)
        return [sum]
      },
      [],
    )

  const rawSums = (minute: number, path: number): WindowSum[] =>
    tables
      .rawEntries(minute, path)
      .flatMap(({ bytes }) => decode(RAW, rowKey(minute, path), bytes, minute * RAW.spanMs))

  const isBuffered = (fromMinute: number, toMinute: number, path: number): boolean => {
    if (buffers.size === 0) return false
    for (const [minute, buffer] of buffers) {
      if (minute >= fromMinute && minute < toMinute && buffer.has(path)) return true
    }
    return false
  }

  /** Whether the finer levels of a bucket have changed since its roll-up. */
  const isOutdated = (level: Level, bucket: number, path: number): boolean => {
    const from = bucket * (level.spanMs / RAW.spanMs)
    const to = from + level.spanMs / RAW.spanMs
    if (isBuffered(from, to, path)) return true
    if (level === FIVE_MINUTES) return todo.five_minutes.has.get(rowKey(bucket, path)) !== undefined
    if (todo.one_hour.has.get(rowKey(bucket, path)) !== undefined) return true
    const first = bucketAt(FIVE_MINUTES, bucket * ONE_HOUR.spanMs)
    const last = first + ONE_HOUR.spanMs / FIVE_MINUTES.spanMs
    for (let five = first; five < last; five++) {
      if (todo.five_minutes.has.get(rowKey(five, path)) !== undefined) return true
    }
    return false
  }

  const windows = (level: Level, bucket: number, path: number): WindowSum[] => {
    if (level === RAW) return rawSums(bucket, path)
    if (isOutdated(level, bucket, path)) {
      const sum = merged(level, bucket, path)
      return sum ? [sum] : []
    }
    const row = levels[level.name].get.get(rowKey(bucket, path))
    if (!row) return []
    return decode(level, rowKey(bucket, path), row.body as Uint8Array, bucket * level.spanMs)
  }

  const merged = (level: Level, bucket: number, path: number): WindowSum | undefined => {
    const finer = finerThan(level)
    const count = level.spanMs / finer.spanMs
    let sum: WindowSum | undefined
    for (let part = bucket * count; part < (bucket + 1) * count; part++) {
      for (const window of windows(finer, part, path)) {
        sum ??= emptyWindowSum()
        addSum(sum, window)
      }
    }
    return sum
  }

  return { windows, merged }
}
