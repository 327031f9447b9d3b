import type { Clock } from '../../../../lib/clock.ts'
import { OperatingError } from '../../../../lib/errors.ts'
import { createCooperativeYielding } from '../../../cooperative-yielding.ts'
import type { Window, WindowStore } from '../../windows.ts'
import { addWindow, joinEntries, type Reader, readEntry } from './codec.ts'
import type { Damage } from './damage.ts'
import { keptFrom, reachMs } from './history.ts'
import { bucketAt, FIVE_MINUTES, keyOf, LEVELS, type Level, ONE_HOUR, pathOfKey, RAW } from './levels.ts'
import { finerThan } from './reading.ts'
import { emptySum, type Sum, windowOf } from './sum.ts'
import type { Tables } from './tables.ts'

/** Up to here raw windows are merged: the edges of the time are exact. */
const RAW_UP_TO_MS = 30 * 60_000
/** Up to here 5 minutes, above hours: a day of 40,000 paths is a million rows. */
const FIVE_MINUTES_UP_TO_MS = 6 * 3_600_000

/** Windows read before it is looked whether others are to have their turn: about a millisecond's work. */
const WINDOWS_PER_SLICE = 500
/** Paths that are looked at together: with windows of 1 s these are 8,000 in a minute. */
const PATHS_PER_STEP = 128
/** A step without anything costs as much as so many windows. */
const STEP_COST = 10

/** `reachMs`: how far before it windows may begin that belong to it; what a piece before it has must not come twice. */
type Piece = { level: Level; from: number; to: number; reachMs: number }

/** Damaged rows, as they are found. */
type Unread = Set<string>

/**
 * Sums by path, and each result as it ends.
 * @param unread rows that are left out; those that prove to be damaged are added
 */
const createSums = (damage: Damage, unread: Unread) => {
  const sums = new Map<number, Sum>()
  return {
    /** Adds a row. Half of a damaged one is in the sum by the time it is found out: then all of it is of no use. */
    row: ({ name }: Level, key: number, add: () => number): number => {
      if (unread.size > 0 && unread.has(`${name} ${key}`)) return 0
      const added = damage.tolerate(name, key, add, undefined)
      if (added === undefined) unread.add(`${name} ${key}`)
      return added ?? 0
    },
    of: (path: number): Sum => {
      const known = sums.get(path)
      if (known) return known
      const sum = emptySum()
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

export const createAggregate = (
  tables: Tables,
  paths: { size(): number },
  rolledUntil: (level: Level) => number,
  clock: Pick<Clock, 'monotonicSeconds' | 'yield'>,
): WindowStore['aggregate'] => {
  const { access, levels, live, rawEntries } = tables

  /** The finest level that is quick enough and covers the time; where it is not made yet, the finer ones. */
  const piecesOf = (fromMs: number, toMs: number): Piece[] => {
    const length = toMs - fromMs
    let level = length <= RAW_UP_TO_MS ? RAW : length <= FIVE_MINUTES_UP_TO_MS ? FIVE_MINUTES : ONE_HOUR
    while (level !== ONE_HOUR && keptFrom(access, level) > fromMs) {
      level = LEVELS[LEVELS.indexOf(level) + 1]!
    }
    const pieces: Piece[] = []
    let from = Math.floor(fromMs / level.spanMs) * level.spanMs
    for (; level !== RAW; level = finerThan(level)) {
      const end = Math.ceil(toMs / level.spanMs) * level.spanMs
      const to = Math.min(end, Math.floor(rolledUntil(level) / level.spanMs) * level.spanMs)
      if (to > from) pieces.push({ level, from, to, reachMs: 0 })
      from = Math.max(from, to)
      if (from >= toMs) return pieces
    }
    const reach = pieces.length > 0 ? 0 : reachMs(access)
    pieces.push({ level: RAW, from: pieces.length > 0 ? from : fromMs, to: toMs, reachMs: reach })
    return pieces
  }

  function* coarse({ level, from, to }: Piece, sums: Sums): Generator<void> {
    const end = keyOf(bucketAt(level, to), 0)
    for (let key = keyOf(bucketAt(level, from), 0); key < end; ) {
      const rows = levels[level.name].range.all(key, end, WINDOWS_PER_SLICE)
      for (const row of rows) {
        const at = Number(row.key)
        const origin = Math.floor(at / keyOf(1, 0)) * level.spanMs
        const reader = { bytes: row.body as Uint8Array, at: 0 }
        sums.row(level, at, () => {
          addWindow(sums.of(pathOfKey(at)), reader, origin)
          return 1
        })
        key = at + 1
      }
      if (rows.length < WINDOWS_PER_SLICE) return
      yield
    }
  }

  /** Windows of a minute that overlap the time, from a list of bytes. */
  const addRaw = (
    sum: () => Sum,
    body: Uint8Array,
    origin: number,
    { from, to, reachMs: reach }: Piece,
  ): number => {
    const reader: Reader = { bytes: body, at: 0 }
    let count = 0
    for (; reader.at < body.length; count++) {
      const { at } = reader
      const { start } = readEntry(reader)
      if (origin + start >= to) break
      const next = reader.at
      const alone = emptySum()
      reader.at = at
      if (origin + start < from) {
        addWindow(alone, reader, origin)
        if (reach === 0 || alone.endMs <= from) continue
        reader.at = at
      }
      addWindow(sum(), reader, origin)
      reader.at = next
    }
    return count
  }

  /** A path is read wherever it is within one slice: upkeep may move it between two. */
  const addMinute = (minute: number, [first, last]: readonly [number, number], piece: Piece, sums: Sums) => {
    const origin = minute * RAW.spanMs
    const fresh = live.get(minute)
    let count = 0
    for (const row of levels.raw.range.all(keyOf(minute, first), keyOf(minute, last), last - first)) {
      const path = pathOfKey(Number(row.key))
      if (fresh?.has(path)) continue
      count += sums.row(RAW, Number(row.key), () =>
        addRaw(() => sums.of(path), row.body as Uint8Array, origin, piece),
      )
    }
    if (!fresh) return count
    for (let path = first; path < last; path++) {
      if (!fresh.has(path)) continue
      const body = joinEntries(rawEntries(minute, path))
      count += sums.row(RAW, keyOf(minute, path), () => addRaw(() => sums.of(path), body, origin, piece))
    }
    return count
  }

  function* raw(piece: Piece, sums: Sums): Generator<void> {
    const first = Math.max(bucketAt(RAW, piece.from - piece.reachMs), firstMinute())
    const last = Math.min(bucketAt(RAW, piece.to - 1), lastMinute())
    let done = 0
    for (let minute = first; minute <= last; minute++) {
      for (let path = 0; path < paths.size(); path += PATHS_PER_STEP) {
        done += STEP_COST + addMinute(minute, [path, path + PATHS_PER_STEP], piece, sums)
        if (done < WINDOWS_PER_SLICE) continue
        done = 0
        yield
      }
    }
  }

  const minuteOf = (row: Record<string, unknown> | undefined, otherwise: number): number =>
    typeof row?.key === 'number' ? Math.floor(row.key / keyOf(1, 0)) : otherwise
  const firstMinute = () =>
    Math.min(minuteOf(levels.raw.first.get(), Number.POSITIVE_INFINITY), ...live.keys())
  const lastMinute = () => Math.max(minuteOf(levels.raw.last.get(), 0), ...live.keys())

  const read = async (fromMs: number, toMs: number, unread: Unread, signal: AbortSignal | undefined) => {
    const sums = createSums(tables.damage, unread)
    const turns = createCooperativeYielding(clock)
    for (const piece of piecesOf(fromMs, toMs)) {
      const slices = piece.level === RAW ? raw(piece, sums) : coarse(piece, sums)
      for (;;) {
        signal?.throwIfAborted()
        if (!access.database.isOpen) throw new OperatingError('COLLECTOR_DRAINING', 'the store is closed')
        const { done } = access.guarded(() => slices.next())
        if (done) break
        await turns.yieldIfDue()
      }
    }
    return sums
  }

  return async (fromMs, toMs, signal) => {
    const unread: Unread = new Set()
    for (;;) {
      const before = unread.size
      const sums = await read(fromMs, toMs, unread, signal)
      if (unread.size === before) return sums.windows()
    }
  }
}
