import type { Window } from '../../windows.ts'

/**
 * What was measured in some time, in whole numbers: times are Unix milliseconds, round-trip times nanoseconds. Sums of
 * whole numbers are the same in whatever order they are made, so that a roll-up is what its windows are.
 */
export type Sum = {
  startMs: number
  endMs: number
  sent: number
  received: number
  /** Infinity while nothing was received. */
  rttMin: number
  rttMax: number
  rttSum: number
  /** Jitter times the number of answers: the mean weighs each window by what it counted. */
  jitterSum: number
  /** Index of the first of `counts`. */
  offset: number
  counts: number[]
}

export const emptySum = (): Sum => ({
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
export const addCount = (sum: Sum, index: number, count: number): void => {
  const { counts } = sum
  if (counts.length === 0) sum.offset = index
  for (; index < sum.offset; sum.offset--) counts.unshift(0)
  while (counts.length <= index - sum.offset) counts.push(0)
  counts[index - sum.offset]! += count
}

const NANOSECONDS = 1e9

/** What the windows of a path come as, made whole numbers; a nanosecond is far below what any engine tells apart. */
export const sumOf = (window: Window): Sum => {
  const sum = emptySum()
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

export const windowOf = (path: number, sum: Sum): Window => ({
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
