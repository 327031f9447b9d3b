import type { Window } from '../../windows.ts'

/**
 * One or more windows of a path as whole numbers: times in Unix milliseconds, round-trip times in nanoseconds. Sums of
 * whole numbers do not depend on their order, so a roll-up equals the sum of its windows exactly.
 */
export type WindowSum = {
  startMs: number
  endMs: number
  sent: number
  received: number
  /** Infinity while nothing was received. */
  rttMin: number
  rttMax: number
  rttSum: number
  /** Jitter times the number of answers, so that the mean weights each window by its answers. */
  jitterSum: number
  /** Histogram index of `counts[0]`. */
  offset: number
  counts: number[]
}

export const emptyWindowSum = (): WindowSum => ({
  startMs: Number.POSITIVE_INFINITY,
  endMs: 0,
  sent: 0,
  received: 0,
  rttMin: Number.POSITIVE_INFINITY,
  rttMax: 0,
  rttSum: 0,
  jitterSum: 0,
  offset: 0,
  counts: [],
})

/** Adds to one bucket of the histogram. */
export const addCount = (sum: WindowSum, index: number, count: number): void => {
  const { counts } = sum
  if (counts.length === 0) sum.offset = index
  for (; index < sum.offset; sum.offset--) counts.unshift(0)
  while (counts.length <= index - sum.offset) counts.push(0)
  counts[index - sum.offset]! += count
}

/** Adds `other` to `sum`. */
export const addSum = (sum: WindowSum, other: WindowSum): void => {
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

const NANOSECONDS = 1e9

/** Converts a window to whole numbers. One nanosecond is far below the resolution of any engine. */
export const sumOf = (window: Window): WindowSum => {
  const sum = emptyWindowSum()
  sum.startMs = Math.round(window.startMs)
  sum.endMs = Math.max(sum.startMs, Math.round(window.endMs))
  sum.sent = window.sentCount
  sum.received = window.receivedCount
  if (sum.received === 0) return sum
  sum.rttMin = Math.round(window.rttMinSeconds * NANOSECONDS)
  sum.rttMax = Math.max(sum.rttMin, Math.round(window.rttMaxSeconds * NANOSECONDS))
  sum.rttSum = Math.round(window.rttSumSeconds * NANOSECONDS)
  sum.jitterSum = Math.round(window.jitterSeconds * sum.received * NANOSECONDS)
  for (const [position, count] of window.histogramCounts.entries()) {
    if (count > 0) addCount(sum, window.histogramOffset + position, count)
  }
  return sum
}

/** Converts a sum back to a window of a path. */
export const windowOf = (path: number, sum: WindowSum): Window => ({
  path,
  startMs: sum.startMs,
  endMs: sum.endMs,
  sentCount: sum.sent,
  receivedCount: sum.received,
  rttMinSeconds: sum.received === 0 ? 0 : sum.rttMin / NANOSECONDS,
  rttMaxSeconds: sum.rttMax / NANOSECONDS,
  rttSumSeconds: sum.rttSum / NANOSECONDS,
  jitterSeconds: sum.received === 0 ? 0 : sum.jitterSum / sum.received / NANOSECONDS,
  histogramOffset: sum.offset,
  histogramCounts: sum.counts,
})
