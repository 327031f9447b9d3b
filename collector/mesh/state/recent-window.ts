import { middleOfIndex } from '../../../lib/histogram.ts'
import type { Window } from '../../store/windows.ts'

/** The last minute of many paths, in typed arrays: no objects come and go with the windows. */

const SLOT_MS = 10_000
const SLOTS = 6
/** Round-trip times kept of each slot: all of them at a probe a second, an even sample at more. */
const SAMPLES = 12

/** What was measured of a path over the last minute. Round-trip times in seconds; absent when nothing was received. */
export type LastMinute = {
  startMs: number
  endMs: number
  sentCount: number
  receivedCount: number
  rtt: { min: number; avg: number; p50: number; p99: number; max: number } | undefined
  jitterSeconds: number | undefined
}

type RecentCounts = { sentCount: number; receivedCount: number; meanSeconds: number | undefined }

type Measured = Omit<Window, 'path' | 'startMs'>

const create = (rows: number) => ({
  slot: new Float64Array(rows * SLOTS),
  sent: new Uint32Array(rows * SLOTS),
  received: new Uint32Array(rows * SLOTS),
  sum: new Float32Array(rows * SLOTS),
  min: new Float32Array(rows * SLOTS),
  max: new Float32Array(rows * SLOTS),
  jitter: new Float32Array(rows * SLOTS),
  samples: new Int16Array(rows * SLOTS * SAMPLES),
})

type Columns = ReturnType<typeof create>

const enlarged = (columns: Columns, rows: number): Columns => {
  const larger = create(rows)
  for (const name of Object.keys(columns) as (keyof Columns)[]) larger[name].set(columns[name])
  return larger
}

const quantileOf = (sorted: Int16Array, q: number): number =>
  middleOfIndex(sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)]!)

const within = (value: number, min: number, max: number): number => Math.min(max, Math.max(min, value))

/** @param random decides which round-trip times are kept where there are more than there is room for */
export const createRecent = (random: () => number) => {
  let capacity = 256
  let columns = create(capacity)
  let used = 0
  const free: number[] = []
  const scratch = new Int16Array(SLOTS * SAMPLES)

  const keep = (cell: number, index: number, seen: number) => {
    const place = seen < SAMPLES ? seen : Math.floor(random() * (seen + 1))
    if (place < SAMPLES) columns.samples[cell * SAMPLES + place] = index
  }
  const clear = (cell: number, slot: number) => {
    columns.slot[cell] = slot
    columns.sent[cell] = 0
    columns.received[cell] = 0
    columns.sum[cell] = 0
    columns.jitter[cell] = 0
    columns.min[cell] = Number.POSITIVE_INFINITY
    columns.max[cell] = 0
  }

  return {
    /** A row for one more path. */
    take: (): number => {
      const again = free.pop()
      if (again !== undefined) return again
      if (used === capacity) {
        capacity *= 2
        columns = enlarged(columns, capacity)
      }
      return used++
    },
    release: (row: number): void => {
      for (let cell = row * SLOTS; cell < (row + 1) * SLOTS; cell++) clear(cell, 0)
      free.push(row)
    },
    add: (row: number, window: Measured): void => {
      const slot = Math.floor((window.endMs - 1) / SLOT_MS)
      const cell = row * SLOTS + (slot % SLOTS)
      if (columns.slot[cell]! > slot) return
      if (columns.slot[cell] !== slot) clear(cell, slot)
      let seen = columns.received[cell]!
      columns.sent[cell]! += window.sentCount
      columns.received[cell]! += window.receivedCount
      if (window.receivedCount === 0) return
      columns.sum[cell]! += window.rttSumSeconds
      columns.jitter[cell]! += window.jitterSeconds * window.receivedCount
      columns.min[cell] = Math.min(columns.min[cell]!, window.rttMinSeconds)
      columns.max[cell] = Math.max(columns.max[cell]!, window.rttMaxSeconds)
      const { histogramCounts, histogramOffset } = window
      for (let position = 0; position < histogramCounts.length; position++) {
        for (let count = histogramCounts[position]!; count > 0; count--)
          keep(cell, histogramOffset + position, seen++)
      }
    },
    /** Probes of the last minute, and their mean round-trip time in seconds (undefined when nothing was received). */
    countsOf: (row: number, nowMs: number): RecentCounts => {
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
    },
    /** The median round-trip time of the last minute; undefined when nothing was received. */
    medianSeconds: (row: number, nowMs: number): number | undefined => {
      const oldest = Math.floor(nowMs / SLOT_MS) - SLOTS
      let [count, min, max] = [0, Number.POSITIVE_INFINITY, 0]
      for (let cell = row * SLOTS; cell < (row + 1) * SLOTS; cell++) {
        const received = columns.received[cell]!
        if (columns.slot[cell]! <= oldest || received === 0) continue
        min = Math.min(min, columns.min[cell]!)
        max = Math.max(max, columns.max[cell]!)
        const kept = Math.min(SAMPLES, received)
        for (let place = 0; place < kept; place++) scratch[count++] = columns.samples[cell * SAMPLES + place]!
      }
      if (count === 0) return undefined
      return within(quantileOf(scratch.subarray(0, count).sort(), 0.5), min, max)
    },
    lastMinute: (row: number, nowMs: number): LastMinute => {
      const newest = Math.floor(nowMs / SLOT_MS)
      let [sent, received, sum, jitter, max] = [0, 0, 0, 0, 0]
      let min = Number.POSITIVE_INFINITY
      const samples: number[] = []
      for (let cell = row * SLOTS; cell < (row + 1) * SLOTS; cell++) {
        if (columns.slot[cell]! <= newest - SLOTS) continue
        sent += columns.sent[cell]!
        received += columns.received[cell]!
        sum += columns.sum[cell]!
        jitter += columns.jitter[cell]!
        min = Math.min(min, columns.min[cell]!)
        max = Math.max(max, columns.max[cell]!)
        const kept = Math.min(SAMPLES, columns.received[cell]!)
        for (let place = 0; place < kept; place++) samples.push(columns.samples[cell * SAMPLES + place]!)
      }
      const sorted = Int16Array.from(samples).sort()
      return {
        startMs: (newest - SLOTS + 1) * SLOT_MS,
        endMs: nowMs,
        sentCount: sent,
        receivedCount: received,
        rtt:
          received === 0
            ? undefined
            : {
                min,
                avg: within(sum / received, min, max),
                p50: within(quantileOf(sorted, 0.5), min, max),
                p99: within(quantileOf(sorted, 0.99), min, max),
                max,
              },
        jitterSeconds: received === 0 ? undefined : jitter / received,
      }
    },
  }
}
