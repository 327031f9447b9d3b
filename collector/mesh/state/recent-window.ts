import { middleOfIndex } from '../../../lib/histogram.ts'
import { quantileOfSorted } from '../../../lib/statistics.ts'
import type { Window } from '../../store/windows.ts'

const SLOT_MS = 10_000
const SLOTS = 6
/** Round-trip times kept per slot: all of them at one probe per second, a uniform sample at more. */
const SAMPLES = 12

/** The last minute of a path. Round-trip times in seconds; undefined without answers. */
export type LastMinute = {
  startMs: number
  endMs: number
  sentCount: number
  receivedCount: number
  rtt: { min: number; avg: number; p50: number; p99: number; max: number } | undefined
  jitterSeconds: number | undefined
}

type RecentCounts = { sentCount: number; receivedCount: number; meanSeconds: number | undefined }

type RecentWindow = Omit<Window, 'path' | 'startMs'>

const createColumns = (rows: number) => ({
  slot: new Float64Array(rows * SLOTS),
  sent: new Uint32Array(rows * SLOTS),
  received: new Uint32Array(rows * SLOTS),
  sum: new Float32Array(rows * SLOTS),
  min: new Float32Array(rows * SLOTS),
  max: new Float32Array(rows * SLOTS),
  jitter: new Float32Array(rows * SLOTS),
  samples: new Int16Array(rows * SLOTS * SAMPLES),
})

type Columns = ReturnType<typeof createColumns>

const enlarged = (columns: Columns, rows: number): Columns => {
  const larger = createColumns(rows)
  for (const name of Object.keys(columns) as (keyof Columns)[]) larger[name].set(columns[name])
  return larger
}

const quantileOf = (sorted: Int16Array, q: number): number => middleOfIndex(quantileOfSorted(sorted, q)!)

const clamp = (value: number, min: number, max: number): number => Math.min(max, Math.max(min, value))

/**
 * The last minute of all paths, in six slots of 10 s per path. The columns are typed arrays: with a hundred thousand
 * paths, objects per window would cost long garbage collections.
 */
class RecentWindows {
  readonly #random: () => number
  #capacity = 256
  #columns = createColumns(this.#capacity)
  #used = 0
  readonly #free: number[] = []
  readonly #scratch = new Int16Array(SLOTS * SAMPLES)

  constructor(random: () => number) {
    this.#random = random
  }

  /** Returns a row for a new path. */
  allocate(): number {
    const free = this.#free.pop()
    if (free !== undefined) return free
    if (this.#used === this.#capacity) {
      this.#capacity *= 2
      this.#columns = enlarged(this.#columns, this.#capacity)
    }
    return this.#used++
  }

  /** Frees the row of a path. */
  release(row: number): void {
    for (let cell = row * SLOTS; cell < (row + 1) * SLOTS; cell++) this.#clear(cell, 0)
    this.#free.push(row)
  }

  /** Adds a window to the slot in which it ends. Slots older than a minute are overwritten. */
  add(row: number, window: RecentWindow): void {
    const columns = this.#columns
    const slot = Math.floor((window.endMs - 1) / SLOT_MS)
    const cell = row * SLOTS + (slot % SLOTS)
    if (columns.slot[cell]! > slot) return
    if (columns.slot[cell] !== slot) this.#clear(cell, slot)
    let count = columns.received[cell]!
    columns.sent[cell]! += window.sentCount
    columns.received[cell]! += window.receivedCount
    if (window.receivedCount === 0) return
    columns.sum[cell]! += window.rttSumSeconds
    columns.jitter[cell]! += window.jitterSeconds * window.receivedCount
    columns.min[cell] = Math.min(columns.min[cell]!, window.rttMinSeconds)
    columns.max[cell] = Math.max(columns.max[cell]!, window.rttMaxSeconds)
    const { histogramCounts, histogramOffset } = window
    for (let position = 0; position < histogramCounts.length; position++) {
      for (let times = histogramCounts[position]!; times > 0; times--)
        this.#sample(cell, histogramOffset + position, count++)
    }
  }

  /** Returns the probes of the last minute and their mean round-trip time in seconds (undefined without answers). */
  countsOf(row: number, nowMs: number): RecentCounts {
    const columns = this.#columns
    const oldest = Math.floor(nowMs / SLOT_MS) - SLOTS
    let [sentCount, receivedCount, sum] = [0, 0, 0]
    for (let cell = row * SLOTS; cell < (row + 1) * SLOTS; cell++) {
      if (columns.slot[cell]! <= oldest) continue
      sentCount += columns.sent[cell]!
      receivedCount += columns.received[cell]!
      sum += columns.sum[cell]!
    }
    const meanSeconds = receivedCount === 0 ? undefined : sum / receivedCount
    return { sentCount, receivedCount, meanSeconds }
  }

  /** Returns the median round-trip time of the last minute in seconds; undefined without answers. */
  medianSeconds(row: number, nowMs: number): number | undefined {
    const columns = this.#columns
    const oldest = Math.floor(nowMs / SLOT_MS) - SLOTS
    let [min, max] = [Number.POSITIVE_INFINITY, 0]
    for (let cell = row * SLOTS; cell < (row + 1) * SLOTS; cell++) {
      if (columns.slot[cell]! <= oldest || columns.received[cell] === 0) continue
      min = Math.min(min, columns.min[cell]!)
      max = Math.max(max, columns.max[cell]!)
    }
    const sorted = this.#sortedSamples(row, oldest)
    return sorted.length === 0 ? undefined : clamp(quantileOf(sorted, 0.5), min, max)
  }

  /** Returns all figures of the last minute. */
  lastMinute(row: number, nowMs: number): LastMinute {
    const columns = this.#columns
    const newest = Math.floor(nowMs / SLOT_MS)
    let [sent, received, sum, jitter, max] = [0, 0, 0, 0, 0]
    let min = Number.POSITIVE_INFINITY
    for (let cell = row * SLOTS; cell < (row + 1) * SLOTS; cell++) {
      if (columns.slot[cell]! <= newest - SLOTS) continue
      sent += columns.sent[cell]!
      received += columns.received[cell]!
      sum += columns.sum[cell]!
      jitter += columns.jitter[cell]!
      min = Math.min(min, columns.min[cell]!)
      max = Math.max(max, columns.max[cell]!)
    }
    const times = {
      startMs: (newest - SLOTS + 1) * SLOT_MS,
      endMs: nowMs,
    }
    const counts = { sentCount: sent, receivedCount: received }
    if (received === 0) return { ...times, ...counts, rtt: undefined, jitterSeconds: undefined }
    const sorted = this.#sortedSamples(row, newest - SLOTS)
    const rtt = {
      min,
      avg: clamp(sum / received, min, max),
      p50: clamp(quantileOf(sorted, 0.5), min, max),
      p99: clamp(quantileOf(sorted, 0.99), min, max),
      max,
    }
    return { ...times, ...counts, rtt, jitterSeconds: jitter / received }
  }

  /** Returns the samples of all slots after `oldest`. Valid until the next call. */
  #sortedSamples(row: number, oldest: number): Int16Array {
    const columns = this.#columns
    let count = 0
    for (let cell = row * SLOTS; cell < (row + 1) * SLOTS; cell++) {
      if (columns.slot[cell]! <= oldest) continue
      const sampled = Math.min(SAMPLES, columns.received[cell]!)
      for (let position = 0; position < sampled; position++)
        this.#scratch[count++] = columns.samples[cell * SAMPLES + position]!
    }
    return this.#scratch.subarray(0, count).sort()
  }

  /** Reservoir sampling (algorithm R): each of the `count` + 1 values is in the sample with the same probability. */
  #sample(cell: number, index: number, count: number): void {
    const position = count < SAMPLES ? count : Math.floor(this.#random() * (count + 1))
    if (position < SAMPLES) this.#columns.samples[cell * SAMPLES + position] = index
  }

  #clear(cell: number, slot: number): void {
    const columns = this.#columns
    columns.slot[cell] = slot
    columns.sent[cell] = 0
    columns.received[cell] = 0
    columns.sum[cell] = 0
    columns.jitter[cell] = 0
    columns.min[cell] = Number.POSITIVE_INFINITY
    columns.max[cell] = 0
  }
}

/** Returns an empty table of the last minute of all paths. @param random selects the sampled round-trip times */
export const createRecentWindows = (random: () => number): RecentWindows => new RecentWindows(random)
