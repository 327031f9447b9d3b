import type { Reading } from './bucket-reader.ts'
import type { LiveMinute } from './minute-buffer.ts'
import {
  bucketAt,
  bucketOfKey,
  FIVE_MINUTES,
  keyOf,
  type Level,
  ONE_HOUR,
  pathOfKey,
  RAW,
} from './roll-up-levels.ts'
import { countEntries, createWriter, joinEntries, writeSum } from './window-codec.ts'
import type { Tables } from './window-tables.ts'

/** A window comes after its end, in a batch: so long after its minute most are there, and late ones cost more work. */
const SORT_AFTER_MS = 30_000
/** The minutes of 5 are sorted by then, and the 5 minutes of an hour made. */
const ROLL_UP_AFTER_MS = 60_000

/** A slice ends after so many paths even on a machine that is in no hurry. */
const PATHS_PER_SLICE = 300
/** Rows of `fresh` are large, each with the windows of a tick. */
const FRESH_PER_SLICE = 8

/** Content that comes later than this is merged within seconds; what is read meanwhile does not wait for it. */
const LATE_MS = 2 * 3_600_000

export type RollUp = {
  /** Each does a slice of its work and says whether there was any. */
  sort(nowMs: number, isOverdue: () => boolean): boolean
  rollUp(level: Level, nowMs: number, isOverdue: () => boolean): boolean
  /** Unix milliseconds up to which a level has everything; Infinity when nothing waits. */
  rolledUntil(level: Level): number
  /** The same for what a level is made of: before that, nothing of the finer one is needed any more. */
  settledUntil(level: Level): number
}

const startOf = (row: Record<string, unknown> | undefined, { spanMs }: Level): number =>
  typeof row?.key === 'number' ? bucketOfKey(row.key) * spanMs : Number.POSITIVE_INFINITY

export const createRollUp = (tables: Tables, reading: Reading): RollUp => {
  const { access, levels, todo, fresh, live } = tables
  const { figures, writeLazily } = access
  /** The minute that is being sorted, with what remains of its paths in order. */
  let queue: { minute: number; paths: number[] } | undefined
  /** The time of the last upkeep. */
  let lastNowMs = Number.POSITIVE_INFINITY

  const sortPath = (minute: number, path: number): void => {
    const key = keyOf(minute, path)
    const before = levels.raw.get.get(key)?.body as Uint8Array | undefined
    const entries = tables.rawEntries(minute, path)
    const body = joinEntries(entries)
    // What is replayed after a kill is there already.
    if (before?.length === body.length) return
    levels.raw.put.run(key, body)
    todo.five_minutes.add.run(keyOf(bucketAt(FIVE_MINUTES, minute * RAW.spanMs), path))
    figures.add('raw', entries.length - (before ? countEntries(before) : 0))
  }

  /** In the order of paths rows are added at the end of the table; as they came, they would be all over it. */
  const queueOf = (minute: number, windows: LiveMinute): number[] => {
    if (queue?.minute !== minute || queue.paths.length === 0) {
      const paths = windows.paths().sort((a, b) => b - a)
      queue = { minute, paths }
    }
    return queue.paths
  }

  const sortSlice = (minute: number, windows: LiveMinute, isOverdue: () => boolean): void => {
    const paths = queueOf(minute, windows)
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
    for (const path of done) windows.remove(path)
  }

  const sort = (nowMs: number, isOverdue: () => boolean): boolean => {
    lastNowMs = nowMs
    const due = bucketAt(RAW, nowMs - SORT_AFTER_MS)
    let minute = Number.POSITIVE_INFINITY
    for (const candidate of live.keys()) if (candidate < due) minute = Math.min(minute, candidate)
    const windows = live.get(minute)
    if (!windows) return false
    if (windows.size() > 0) sortSlice(minute, windows, isOverdue)
    else {
      const { changes } = writeLazily(() =>
        fresh.remove.run(keyOf(minute, 0), keyOf(minute + 1, 0), FRESH_PER_SLICE),
      )
      if (Number(changes) < FRESH_PER_SLICE) live.delete(minute)
    }
    return true
  }

  const make = (level: Level, key: number, writer = createWriter()): void => {
    const bucket = bucketOfKey(key)
    const sum = reading.merged(level, bucket, pathOfKey(key))
    if (!sum) return
    writeSum(writer, sum, bucket * level.spanMs)
    if (!levels[level.name].get.get(key)) figures.add(level.name, 1)
    levels[level.name].put.run(key, writer.bytes())
    if (level === FIVE_MINUTES) {
      todo.one_hour.add.run(keyOf(bucketAt(ONE_HOUR, bucket * level.spanMs), pathOfKey(key)))
    }
  }

  const todoOf = (level: Level) => (level === ONE_HOUR ? todo.one_hour : todo.five_minutes)

  const rollUp = (level: Level, nowMs: number, isOverdue: () => boolean): boolean => {
    const due = keyOf(bucketAt(level, nowMs - ROLL_UP_AFTER_MS), 0)
    const keys = todoOf(level).next.all(due, PATHS_PER_SLICE)
    if (keys.length === 0) return false
    writeLazily(() => {
      for (const { key } of keys) {
        make(level, Number(key))
        todoOf(level).done.run(Number(key))
        if (isOverdue()) break
      }
    })
    return true
  }

  const firstLive = () => {
    let first = Number.POSITIVE_INFINITY
    for (const minute of live.keys()) first = Math.min(first, minute)
    return first * RAW.spanMs
  }

  const settledUntil = (level: Level): number => {
    const first = Math.min(startOf(todo.five_minutes.first.get(), FIVE_MINUTES), firstLive())
    return level === ONE_HOUR ? Math.min(startOf(todo.one_hour.first.get(), ONE_HOUR), first) : first
  }

  /** What lies ahead, from a clock that was, is not what came last. */
  const newest = () => {
    let last = startOf(levels.raw.last.get(), RAW)
    if (last === Number.POSITIVE_INFINITY) last = 0
    for (const minute of live.keys()) last = Math.max(last, minute * RAW.spanMs)
    return Math.min(last, lastNowMs)
  }

  return {
    sort,
    rollUp,
    settledUntil,
    rolledUntil: (level) => Math.max(settledUntil(level), newest() - LATE_MS),
  }
}
