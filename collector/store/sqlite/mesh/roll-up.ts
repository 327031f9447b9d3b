import type { BucketReader } from './bucket-reader.ts'
import type { MinuteBuffer } from './minute-buffer.ts'
import {
  bucketAt,
  bucketOfKey,
  FIVE_MINUTES,
  type Level,
  ONE_HOUR,
  pathOfKey,
  RAW,
  rowKey,
} from './roll-up-levels.ts'
import { countEntries, joinEntries, WindowWriter } from './window-codec.ts'
import type { WindowTables } from './window-tables.ts'

/** Delay after the end of a minute before it is sorted. By then most windows have arrived; later ones cost more work. */
const SORT_AFTER_MS = 30_000
/** Delay after the end of a bucket before it is rolled up. By then the finer level is complete. */
const ROLL_UP_AFTER_MS = 60_000

const NO_BYTES = new Uint8Array()

/** Maximum number of paths per slice. */
const PATHS_PER_SLICE = 300
/** Rows of `fresh` removed per slice. A row is large: it has the windows of a tick. */
const FRESH_PER_SLICE = 8

/** Windows that arrive later than this are rolled up within seconds, and reading does not wait for them. */
const LATE_MS = 2 * 3_600_000

export type RollUp = {
  /** Sorts one slice of a minute by path into `raw`. Returns whether there was anything to sort. */
  sort(nowMs: number, isOverdue: () => boolean): boolean
  /** Computes one slice of the due roll-ups of a level. Returns whether any were due. */
  rollUp(level: Level, nowMs: number, isOverdue: () => boolean): boolean
  /** Unix milliseconds up to which a level is complete; Infinity when nothing waits. */
  rolledUntil(level: Level): number
  /** As `rolledUntil`, without the tolerance for late windows: before it, the level needs no finer rows any more. */
  settledUntil(level: Level): number
}

const startOf = (row: Record<string, unknown> | undefined, { spanMs }: Level): number =>
  typeof row?.key === 'number' ? bucketOfKey(row.key) * spanMs : Number.POSITIVE_INFINITY

/** Sorts the windows of past minutes by path and writes them to `raw`. */
const createSorter = (tables: WindowTables) => {
  const { connection, levels, todo, fresh, buffers } = tables
  const { figures, writeLazily } = connection
  /** The minute that is being sorted, with the remaining paths in descending order. */
  let queue: { minute: number; paths: number[] } | undefined

  const sortPath = (minute: number, path: number): void => {
    const key = rowKey(minute, path)
    const before = levels.raw.get.get(key)?.body as Uint8Array | undefined
    const entries = tables.rawEntries(minute, path, before ?? NO_BYTES)
    const body = joinEntries(entries)
    // After a kill, rows of `fresh` that were sorted already are loaded again.
    if (before?.length === body.length) return
    levels.raw.put.run(key, body)
    todo.five_minutes.add.run(rowKey(bucketAt(FIVE_MINUTES, minute * RAW.spanMs), path))
    figures.add('raw', entries.length - (before ? countEntries(before) : 0))
  }

  /** In the order of paths, rows are appended to the table; in the order of arrival they would be scattered. */
  const queueOf = (minute: number, buffer: MinuteBuffer): number[] => {
    if (queue?.minute !== minute || queue.paths.length === 0) {
      const paths = buffer.paths().sort((a, b) => b - a)
      queue = { minute, paths }
    }
    return queue.paths
  }

  const sortSlice = (minute: number, buffer: MinuteBuffer, isOverdue: () => boolean): void => {
    const paths = queueOf(minute, buffer)
    const done: number[] = []
    writeLazily(() => {
      while (done.length < PATHS_PER_SLICE && paths.length > done.length) {
        const path = paths[paths.length - 1 - done.length]!
        sortPath(minute, path)
        done.push(path)
        if (isOverdue()) break
      }
    })
    paths.length -= done.length
    for (const path of done) buffer.remove(path)
  }

  const removeFresh = (minute: number): void => {
    const { changes } = writeLazily(() =>
      fresh.remove.run(rowKey(minute, 0), rowKey(minute + 1, 0), FRESH_PER_SLICE),
    )
    if (Number(changes) < FRESH_PER_SLICE) buffers.delete(minute)
  }

  return (nowMs: number, isOverdue: () => boolean): boolean => {
    const due = bucketAt(RAW, nowMs - SORT_AFTER_MS)
    let minute = Number.POSITIVE_INFINITY
    for (const candidate of buffers.keys()) if (candidate < due) minute = Math.min(minute, candidate)
    const buffer = buffers.get(minute)
    if (!buffer) return false
    if (buffer.size() > 0) sortSlice(minute, buffer, isOverdue)
    else removeFresh(minute)
    return true
  }
}

export const createRollUp = (tables: WindowTables, reader: BucketReader): RollUp => {
  const { connection, levels, todo, buffers } = tables
  const { figures, writeLazily } = connection
  const sortPiece = createSorter(tables)
  const writer = new WindowWriter()
  /** The time of the last maintenance. */
  let lastNowMs = Number.POSITIVE_INFINITY

  const compute = (level: Level, key: number): void => {
    const bucket = bucketOfKey(key)
    const sum = reader.merged(level, bucket, pathOfKey(key))
    if (!sum) return
    writer.clear()
    writer.sum(sum, bucket * level.spanMs)
    if (!levels[level.name].get.get(key)) figures.add(level.name, 1)
    levels[level.name].put.run(key, writer.bytes())
    if (level === FIVE_MINUTES) {
      todo.one_hour.add.run(rowKey(bucketAt(ONE_HOUR, bucket * level.spanMs), pathOfKey(key)))
    }
  }

  const todoOf = (level: Level) => (level === ONE_HOUR ? todo.one_hour : todo.five_minutes)

  const firstBuffered = () => {
    let first = Number.POSITIVE_INFINITY
    for (const minute of buffers.keys()) first = Math.min(first, minute)
    return first * RAW.spanMs
  }

  const settledUntil = (level: Level): number => {
    const first = Math.min(startOf(todo.five_minutes.first.get(), FIVE_MINUTES), firstBuffered())
    return level === ONE_HOUR ? Math.min(startOf(todo.one_hour.first.get(), ONE_HOUR), first) : first
  }

  /** Start of the newest minute with windows. Minutes in the future, from a wrong clock, do not count. */
  const newest = () => {
    let last = startOf(levels.raw.last.get(), RAW)
    if (last === Number.POSITIVE_INFINITY) last = 0
    for (const minute of buffers.keys()) last = Math.max(last, minute * RAW.spanMs)
    return Math.min(last, lastNowMs)
  }

  return {
    sort: (nowMs, isOverdue) => {
      lastNowMs = nowMs
      return sortPiece(nowMs, isOverdue)
    },
    rollUp: (level, nowMs, isOverdue) => {
      const due = rowKey(bucketAt(level, nowMs - ROLL_UP_AFTER_MS), 0)
      const keys = todoOf(level).next.all(due, PATHS_PER_SLICE)
      if (keys.length === 0) return false
      writeLazily(() => {
        for (const { key } of keys) {
          compute(level, Number(key))
          todoOf(level).done.run(Number(key))
          if (isOverdue()) break
        }
      })
      return true
    },
    settledUntil,
    rolledUntil: (level) => Math.max(settledUntil(level), newest() - LATE_MS),
  }
}
