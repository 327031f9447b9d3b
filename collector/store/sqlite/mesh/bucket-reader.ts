import { bucketAt, FIVE_MINUTES, keyOf, type Level, ONE_HOUR, RAW } from './roll-up-levels.ts'
import { addWindow } from './window-codec.ts'
import { emptySum, type Sum } from './window-sum.ts'
import type { Tables } from './window-tables.ts'

/** The level that a level is made of. */
export const finerThan = (level: Level): Level => (level === ONE_HOUR ? FIVE_MINUTES : RAW)

/** How a level is asked what a path has in a bucket; what is not rolled up yet is put together from finer levels. */
export type Reading = {
  /** Each window of the bucket by itself; at the coarser levels there is at most one. */
  windows(level: Level, bucket: number, path: number): Sum[]
  /** The bucket as one, made of the level below; undefined when nothing is there. */
  merged(level: Level, bucket: number, path: number): Sum | undefined
}

/** Adds one sum to another; exact and in any order, as all is whole numbers. */
export const addSum = (sum: Sum, other: Sum): void => {
  sum.startMs = Math.min(sum.startMs, other.startMs)
  sum.endMs = Math.max(sum.endMs, other.endMs)
  sum.sent += other.sent
  sum.received += other.received
  sum.rttMin = Math.min(sum.rttMin, other.rttMin)
  sum.rttMax = Math.max(sum.rttMax, other.rttMax)
  sum.rttSum += other.rttSum
  sum.jitterSum += other.jitterSum
  const { counts } = other
  if (counts.length === 0) return
  if (sum.counts.length === 0) {
    sum.offset = other.offset
    sum.counts = counts.slice()
    return
  }
  const before = sum.offset - other.offset
  if (before > 0) {
    sum.counts = [...new Array<number>(before).fill(0), ...sum.counts]
    sum.offset = other.offset
  }
  const shift = other.offset - sum.offset
  while (sum.counts.length < shift + counts.length) sum.counts.push(0)
  for (const [position, count] of counts.entries()) sum.counts[position + shift]! += count
}

export const createReading = (tables: Tables): Reading => {
  const { levels, todo, live } = tables

  /** One window, or none when it is damaged. */
  const tolerated = ({ name }: Level, key: number, bytes: Uint8Array, originMs: number): Sum[] =>
    tables.damage.tolerate(
      name,
      key,
      () => {
        const sum = emptySum()
        addWindow(sum, { bytes, at: 0 }, originMs)
        return [sum]
      },
      [],
    )

  const rawSums = (minute: number, path: number): Sum[] =>
    tables
      .rawEntries(minute, path)
      .flatMap(({ bytes }) => tolerated(RAW, keyOf(minute, path), bytes, minute * RAW.spanMs))

  const isLive = (fromMinute: number, toMinute: number, path: number): boolean => {
    if (live.size === 0) return false
    for (const [minute, windows] of live) {
      if (minute >= fromMinute && minute < toMinute && windows.has(path)) return true
    }
    return false
  }

  /** Whether what the level has of the bucket is older than what it is made of. */
  const isStale = (level: Level, bucket: number, path: number): boolean => {
    const from = bucket * (level.spanMs / RAW.spanMs)
    const to = from + level.spanMs / RAW.spanMs
    if (isLive(from, to, path)) return true
    if (level === FIVE_MINUTES) return todo.five_minutes.has.get(keyOf(bucket, path)) !== undefined
    if (todo.one_hour.has.get(keyOf(bucket, path)) !== undefined) return true
    const first = bucketAt(FIVE_MINUTES, bucket * ONE_HOUR.spanMs)
    const last = first + ONE_HOUR.spanMs / FIVE_MINUTES.spanMs
    for (let five = first; five < last; five++) {
      if (todo.five_minutes.has.get(keyOf(five, path)) !== undefined) return true
    }
    return false
  }

  const windows = (level: Level, bucket: number, path: number): Sum[] => {
    if (level === RAW) return rawSums(bucket, path)
    if (isStale(level, bucket, path)) {
      const sum = merged(level, bucket, path)
      return sum ? [sum] : []
    }
    const row = levels[level.name].get.get(keyOf(bucket, path))
    if (!row) return []
    return tolerated(level, keyOf(bucket, path), row.body as Uint8Array, bucket * level.spanMs)
  }

  const merged = (level: Level, bucket: number, path: number): Sum | undefined => {
    const finer = finerThan(level)
    const count = level.spanMs / finer.spanMs
    let sum: Sum | undefined
    for (let part = bucket * count; part < (bucket + 1) * count; part++) {
      for (const window of windows(finer, part, path)) {
        sum ??= emptySum()
        addSum(sum, window)
      }
    }
    return sum
  }

  return { windows, merged }
}
