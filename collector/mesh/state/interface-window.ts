import { MAX_INDEX, MIN_INDEX, middleOfIndex } from '../../../lib/histogram.ts'

/** Cells of one second each. More than a minute, because windows arrive late. */
const SECONDS = 64
const SLOT_SECONDS = 10
const SLOTS = 6
const BUCKETS = MAX_INDEX - MIN_INDEX + 1

type Counts = { second: Float64Array; sent: Uint32Array; lost: Uint32Array; confirmed: Uint32Array }

const createCounts = (): Counts => ({
  second: new Float64Array(SECONDS),
  sent: new Uint32Array(SECONDS),
  lost: new Uint32Array(SECONDS),
  confirmed: new Uint32Array(SECONDS),
})

const addCounts = (counts: Counts, second: number, sent: number, lost: number, confirmed: number): void => {
  const cell = second % SECONDS
  if (counts.second[cell]! > second) return
  if (counts.second[cell] !== second) {
    counts.second[cell] = second
    counts.sent[cell] = 0
    counts.lost[cell] = 0
    counts.confirmed[cell] = 0
  }
  counts.sent[cell]! += sent
  counts.lost[cell]! += lost
  counts.confirmed[cell]! += confirmed
}

/** Probes over all paths of an interface in one direction. `confirmedCount`: lost probes that were not an outage. */
export type ProbeCounts = { sentCount: number; lostCount: number; confirmedCount: number }

const sumOf = (counts: Counts, nowSecond: number, seconds: number): ProbeCounts => {
  let [sentCount, lostCount, confirmedCount] = [0, 0, 0]
  for (let cell = 0; cell < SECONDS; cell++) {
    if (counts.second[cell]! <= nowSecond - seconds || counts.second[cell]! > nowSecond) continue
    sentCount += counts.sent[cell]!
    lostCount += counts.lost[cell]!
    confirmedCount += counts.confirmed[cell]!
  }
  return { sentCount, lostCount, confirmedCount }
}

/** Round-trip times of the last minute in the buckets of lib/histogram.ts, with a running total over all slots. */
const createRoundTripTimes = () => {
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
        // A bucket is full at 65,535: 10 s of 6,500 probes per second that all took the same time.
        const added = Math.min(times, 0xffff - cell.counts[bucket]!)
        cell.counts[bucket]! += added
        total[bucket]! += added
        count += added
      }
    },
    quantiles: (nowSecond: number, ratios: readonly number[]): number[] | undefined => {
      expire(Math.floor(nowSecond / SLOT_SECONDS))
      if (count === 0) return undefined
      const found: number[] = []
      let below = 0
      for (let bucket = 0; bucket < BUCKETS && found.length < ratios.length; bucket++) {
        below += total[bucket]!
        while (
          found.length < ratios.length &&
          below >= Math.max(1, Math.ceil(ratios[found.length]! * count))
        ) {
          found.push(middleOfIndex(bucket + MIN_INDEX))
        }
      }
      return found
    },
  }
}

/** Returns the last minute of one interface of one node, over all paths that it sends (tx) and receives (rx). */
export const createInterfaceWindow = (node: string, name: string) => {
  const counts = { tx: createCounts(), rx: createCounts() }
  const times = createRoundTripTimes()
  return {
    node,
    interface: name,
    add: (direction: 'tx' | 'rx', second: number, sent: number, lost: number, confirmed: number): void =>
      addCounts(counts[direction], second, sent, lost, confirmed),
    /** Adds the round-trip times of a window of a path from this interface. */
    addTimes: times.add,
    /** Returns the probes of the last `seconds`, at most 60. */
    sum: (direction: 'tx' | 'rx', nowSecond: number, seconds: number): ProbeCounts =>
      sumOf(counts[direction], nowSecond, seconds),
    /** Returns round-trip times of the last minute at rising quantiles, in seconds; undefined without answers. */
    quantiles: times.quantiles,
  }
}

export type InterfaceWindow = ReturnType<typeof createInterfaceWindow>
