import type { Clock } from '../../../../lib/clock.ts'
import { OperatingError } from '../../../../lib/errors.ts'
import { createCooperativeYielding } from '../../../cooperative-yielding.ts'
import type { Window, WindowStore } from '../../windows.ts'
import type { Connection } from '../connection.ts'
import type { DamagedRows } from './damaged-rows.ts'
import { maxOverlapMs } from './history.ts'
import {
  bucketAt,
  coarserThan,
  FIVE_MINUTES,
  finerThan,
  type Level,
  ONE_HOUR,
  pathOfKey,
  RAW,
  retainedFromMs,
  rowKey,
} from './roll-up-levels.ts'
import { addWindow, joinEntries, type Reader, readEntry } from './window-codec.ts'
import { emptyWindowSum, type WindowSum, windowOf } from './window-sum.ts'
import type { WindowTables } from './window-tables.ts'

/** Maximum length of an interval that is made of raw windows, so that its edges are exact. */
const RAW_UP_TO_MS = 30 * 60_000
/** Maximum length of an interval that is made of 5-minute rows: a day of 40,000 paths would be a million rows. */
const FIVE_MINUTES_UP_TO_MS = 6 * 3_600_000

/** Windows per slice: about a millisecond of work. */
const WINDOWS_PER_SLICE = 500
/** Paths per step. With windows of 1 s, a step reads 8,000 windows of a minute. */
const PATHS_PER_STEP = 128
/** A step without windows costs as much as reading this many. */
const STEP_COST = 10

/**
 * A part of the interval that is read from one level. `overlapMs`: how long before `from` a window may begin that still
 * belongs to this part; 0 when an earlier part contains it.
 */
type Part = { level: Level; from: number; to: number; overlapMs: number }

/** Damaged rows by level and key; they are left out. */
type SkippedRows = Set<string>

/**
 * Sums by path.
 * @param skipped rows that are left out; newly found damaged rows are added
 */
const createSums = (damagedRows: DamagedRows, skipped: SkippedRows) => {
  const sums = new Map<number, WindowSum>()
  return {
    /**
     * Adds a row with `add`, which returns the number of windows. When the row is damaged, a part of it may already be
     * in the sum: the caller must start again without the row.
     */
    addRow: ({ name }: Level, key: number, add: () => number): number => {
      if (skipped.size > 0 && skipped.has(`${name} ${key}`)) return 0
      const added = damagedRows.tolerate(name, key, add, undefined)
      if (added === undefined) skipped.add(`${name} ${key}`)
      return added ?? 0
    },
    of: (path: number): WindowSum => {
      const known = sums.get(path)
      if (known) return known
      const sum = emptyWindowSum()
      sums.set(path, sum)
      return sum
    },
    windows: (): Map<number, Window> => {
      const windows = new Map<number, Window>()
      for (const [path, sum] of sums) windows.set(path, windowOf(path, sum))
      return windows
    },
  }
}

type Sums = ReturnType<typeof createSums>

/** Adds the windows of a part from the encoded windows of one minute. Returns how many were examined. */
const addRawWindows = (
  sum: () => WindowSum,
  body: Uint8Array,
  origin: number,
  { from, to, overlapMs }: Part,
): number => {
  const reader: Reader = { bytes: body, at: 0 }
  let count = 0
  for (; reader.at < body.length; count++) {
    const { at } = reader
    const { start } = readEntry(reader)
    if (origin + start >= to) break
    const next = reader.at
    const single = emptyWindowSum()
    reader.at = at
    if (origin + start < from) {
      addWindow(single, reader, origin)
      if (overlapMs === 0 || single.endMs <= from) continue
      reader.at = at
    }
    addWindow(sum(), reader, origin)
    reader.at = next
  }
  return count
}

const minuteOf = (row: Record<string, unknown> | undefined, otherwise: number): number =>
  typeof row?.key === 'number' ? Math.floor(row.key / rowKey(1, 0)) : otherwise

/**
 * Splits the interval: the finest level that is fast enough and covers it, and finer levels where that one is not rolled
 * up yet.
 */
const partsOf = (
  connection: Connection,
  rolledUntil: (level: Level) => number,
  fromMs: number,
  toMs: number,
): Part[] => {
  const length = toMs - fromMs
  let level = length <= RAW_UP_TO_MS ? RAW : length <= FIVE_MINUTES_UP_TO_MS ? FIVE_MINUTES : ONE_HOUR
  while (level !== ONE_HOUR && retainedFromMs(connection, level) > fromMs) level = coarserThan(level)
  const parts: Part[] = []
  let from = Math.floor(fromMs / level.spanMs) * level.spanMs
  for (; level !== RAW; level = finerThan(level)) {
    const end = Math.ceil(toMs / level.spanMs) * level.spanMs
    const to = Math.min(end, Math.floor(rolledUntil(level) / level.spanMs) * level.spanMs)
    if (to > from) parts.push({ level, from, to, overlapMs: 0 })
    from = Math.max(from, to)
    if (from >= toMs) return parts
  }
  const isFirst = parts.length === 0
  const overlapMs = isFirst ? maxOverlapMs(connection) : 0
  parts.push({ level: RAW, from: isFirst ? fromMs : from, to: toMs, overlapMs })
  return parts
}

function* readRollUps({ levels }: WindowTables, { level, from, to }: Part, sums: Sums): Generator<void> {
  const end = rowKey(bucketAt(level, to), 0)
  for (let key = rowKey(bucketAt(level, from), 0); key < end; ) {
    const rows = levels[level.name].range.all(key, end, WINDOWS_PER_SLICE)
    for (const row of rows) {
      const at = Number(row.key)
      const origin = Math.floor(at / rowKey(1, 0)) * level.spanMs
      const reader = { bytes: row.body as Uint8Array, at: 0 }
      sums.addRow(level, at, () => {
        addWindow(sums.of(pathOfKey(at)), reader, origin)
        return 1
      })
      key = at + 1
    }
    if (rows.length < WINDOWS_PER_SLICE) return
    yield
  }
}

/**
 * Adds the windows of some paths in one minute and returns their number. Reads `raw` and memory in the same slice, because
 * maintenance may move windows between them from one slice to the next.
 */
const addMinute = (
  { levels, buffers, rawEntries }: WindowTables,
  minute: number,
  [first, last]: readonly [path: number, path: number],
  part: Part,
  sums: Sums,
): number => {
  const origin = minute * RAW.spanMs
  const buffer = buffers.get(minute)
  let count = 0
  for (const row of levels.raw.range.all(rowKey(minute, first), rowKey(minute, last), last - first)) {
    const path = pathOfKey(Number(row.key))
    if (buffer?.has(path)) continue
    count += sums.addRow(RAW, Number(row.key), () =>
      addRawWindows(() => sums.of(path), row.body as Uint8Array, origin, part),
    )
  }
  if (!buffer) return count
  for (let path = first; path < last; path++) {
    if (!buffer.has(path)) continue
    const body = joinEntries(rawEntries(minute, path))
    count += sums.addRow(RAW, rowKey(minute, path), () =>
      addRawWindows(() => sums.of(path), body, origin, part),
    )
  }
  return count
}

function* readRaw(tables: WindowTables, pathCount: () => number, part: Part, sums: Sums): Generator<void> {
  const { levels, buffers } = tables
  const oldest = Math.min(minuteOf(levels.raw.first.get(), Number.POSITIVE_INFINITY), ...buffers.keys())
  const newest = Math.max(minuteOf(levels.raw.last.get(), 0), ...buffers.keys())
  const first = Math.max(bucketAt(RAW, part.from - part.overlapMs), oldest)
  const last = Math.min(bucketAt(RAW, part.to - 1), newest)
  let done = 0
  for (let minute = first; minute <= last; minute++) {
    for (let path = 0; path < pathCount(); path += PATHS_PER_STEP) {
      done += STEP_COST + addMinute(tables, minute, [path, path + PATHS_PER_STEP], part, sums)
      if (done < WINDOWS_PER_SLICE) continue
      done = 0
      yield
    }
  }
}

/** @param rolledUntil returns the Unix milliseconds up to which a level is complete */
export const createAggregate = (
  tables: WindowTables,
  pathCount: () => number,
  rolledUntil: (level: Level) => number,
  clock: Pick<Clock, 'monotonicSeconds' | 'yield'>,
): WindowStore['aggregate'] => {
  const { connection, damagedRows } = tables

  const read = async (
    fromMs: number,
    toMs: number,
    skipped: SkippedRows,
    signal: AbortSignal | undefined,
  ) => {
    const sums = createSums(damagedRows, skipped)
    const yielding = createCooperativeYielding(clock)
    for (const part of partsOf(connection, rolledUntil, fromMs, toMs)) {
      const slices =
        part.level === RAW ? readRaw(tables, pathCount, part, sums) : readRollUps(tables, part, sums)
      for (;;) {
        signal?.throwIfAborted()
        if (!connection.database.isOpen) throw new OperatingError('COLLECTOR_DRAINING', 'the store is closed')
        const { done } = connection.guarded(() => slices.next())
        if (done) break
        await yielding.yieldIfDue()
      }
    }
    return sums
  }

  return async (fromMs, toMs, signal) => {
    const skipped: SkippedRows = new Set()
    for (;;) {
      const before = skipped.size
      const sums = await read(fromMs, toMs, skipped, signal)
      if (skipped.size === before) return sums.windows()
    }
  }
}
