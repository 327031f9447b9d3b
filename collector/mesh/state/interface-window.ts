import { MAX_INDEX, MIN_INDEX, middleOfIndex } from '../../../lib/histogram.ts'

/** The last minute of one interface of one node, over all its paths: what it sends, and what is sent to it. */

const SECONDS = 64
const SLOT_SECONDS = 10
const SLOTS = 6
const BUCKETS = MAX_INDEX - MIN_INDEX + 1

type Counts = { second: Float64Array; sent: Uint32Array; lost: Uint32Array; credited: Uint32Array }

const createCounts = (): Counts => ({
  second: new Float64Array(SECONDS),
  sent: new Uint32Array(SECONDS),
  lost: new Uint32Array(SECONDS),
  credited: new Uint32Array(SECONDS),
})

const addCounts = (counts: Counts, second: number, sent: number, lost: number, credited: number): void => {
  const cell = second % SECONDS
  if (counts.second[cell]! > second) return
  if (counts.second[cell] !== second) {
    counts.second[cell] = second
    counts.sent[cell] = 0
    counts.lost[cell] = 0
    counts.credited[cell] = 0
  }
  counts.sent[cell]! += sent
  counts.lost[cell]! += lost
  counts.credited[cell]! += credited
}

export type Pooled = { sentCount: number; lostCount: number; creditedCount: number }

const sumOf = (counts: Counts, nowSecond: number, seconds: number): Pooled => {
  let [sentCount, lostCount, creditedCount] = [0, 0, 0]
  for (let cell = 0; cell < SECONDS; cell++) {
    if (counts.second[cell]! <= nowSecond - seconds || counts.second[cell]! > nowSecond) continue
    sentCount += counts.sent[cell]!
    lostCount += counts.lost[cell]!
    creditedCount += counts.credited[cell]!
  }
  return { sentCount, lostCount, creditedCount }
}

/** Round-trip times as counts of the buckets of lib/histogram.ts, with a total that is kept up as slots pass. */
const createTimes = () => {
  const slots = Array.from({ length: SLOTS }, () => ({ slot: 0, counts: new Uint16Array(BUCKETS) }))
  const total = new Uint32Array(BUCKETS)
  let count = 0
  const empty = (cell: (typeof slots)[number]) => {
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      total[bucket]! -= cell.counts[bucket]!
      count -= cell.counts[bucket]!
    }
    cell.counts.fill(0)
  }
  const expire = (newest: number) => {
    for (const cell of slots) {
      if (cell.slot === 0 || cell.slot > newest - SLOTS) continue
      empty(cell)
      cell.slot = 0
    }
  }
  return {
    add: (second: number, offset: number, counts: readonly number[]): void => {
      const slot = Math.floor(second / SLOT_SECONDS)
      const cell = slots[slot % SLOTS]!
      if (cell.slot > slot) return
      if (cell.slot !== slot) {
        empty(cell)
        cell.slot = slot
      }
      for (let position = 0; position < counts.length; position++) {
        const times = counts[position]!
        if (times === 0) continue
        const bucket = Math.min(BUCKETS - 1, Math.max(0, offset + position - MIN_INDEX))
        // A bucket of one slot is full at 65,535: ten seconds of 6,500 probes a second that all took as long.
        const room = Math.min(times, 0xffff - cell.counts[bucket]!)
        cell.counts[bucket]! += room
        total[bucket]! += room
        count += room
      }
    },
    quantiles: (nowSecond: number, shares: readonly number[]): number[] | undefined => {
      expire(Math.floor(nowSecond / SLOT_SECONDS))
      if (count === 0) return undefined
      const found: number[] = []
      let below = 0
      for (let bucket = 0; bucket < BUCKETS && found.length < shares.length; bucket++) {
        below += total[bucket]!
        while (
          found.length < shares.length &&
          below >= Math.max(1, Math.ceil(shares[found.length]! * count))
        ) {
          found.push(middleOfIndex(bucket + MIN_INDEX))
        }
      }
      return found
    },
  }
}

export const createInterfaceWindow = (node: string, name: string) => {
  const counts = { tx: createCounts(), rx: createCounts() }
  const times = createTimes()
  return {
    node,
    interface: name,
    add: (direction: 'tx' | 'rx', second: number, sent: number, lost: number, credited: number): void =>
      addCounts(counts[direction], second, sent, lost, credited),
    /** Round-trip times of a window of a path from here. */
    addTimes: times.add,
    /** Probes of the last so many seconds, at most 60. */
    sum: (direction: 'tx' | 'rx', nowSecond: number, seconds: number): Pooled =>
      sumOf(counts[direction], nowSecond, seconds),
    /** Round-trip times of the last minute in seconds, for rising shares. Undefined when nothing was received. */
    quantiles: times.quantiles,
  }
}

export type InterfaceWindow = ReturnType<typeof createInterfaceWindow>
