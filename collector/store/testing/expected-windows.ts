import type { Window } from '../windows.ts'

/** A window in whole numbers, with round-trip times in nanoseconds, so that expected values are exact. */
export type WholeWindow = {
  path: number
  startMs: number
  lengthMs: number
  sent: number
  received: number
  rttMin: number
  rttSpan: number
  rttSum: number
  jitter: number
  offset: number
  counts: number[]
}

export const windowFrom = (whole: WholeWindow): Window => {
  const { path, startMs, lengthMs, sent, received } = whole
  const common = { path, startMs, endMs: startMs + lengthMs, sentCount: sent, receivedCount: received }
  if (received === 0) return { ...common, ...NOTHING_RECEIVED }
  return {
    ...common,
    rttMinSeconds: whole.rttMin / 1e9,
    rttMaxSeconds: (whole.rttMin + whole.rttSpan) / 1e9,
    rttSumSeconds: whole.rttSum / 1e9,
    jitterSeconds: whole.jitter / 1e9,
    histogramOffset: whole.offset,
    histogramCounts: whole.counts,
  }
}

export const NOTHING_RECEIVED = {
  rttMinSeconds: 0,
  rttMaxSeconds: 0,
  rttSumSeconds: 0,
  jitterSeconds: 0,
  histogramOffset: 0,
  histogramCounts: [],
}

/** Merges the windows of a path, independently of the store's implementation. */
export const mergeOf = (windows: readonly WholeWindow[]): Window => {
  const answered = windows.filter(({ received }) => received > 0)
  const total = (value: (window: WholeWindow) => number) =>
    windows.reduce((sum, window) => sum + value(window), 0)
  const received = total((window) => window.received)
  const common = {
    path: windows[0]!.path,
    startMs: Math.min(...windows.map(({ startMs }) => startMs)),
    endMs: Math.max(...windows.map(({ startMs, lengthMs }) => startMs + lengthMs)),
    sentCount: total(({ sent }) => sent),
    receivedCount: received,
  }
  if (received === 0) return { ...common, ...NOTHING_RECEIVED }
  const times = new Map<number, number>()
  for (const { offset, counts } of answered) {
    for (const [index, count] of counts.entries()) {
      if (count > 0) times.set(offset + index, (times.get(offset + index) ?? 0) + count)
    }
  }
  const first = times.size === 0 ? 0 : Math.min(...times.keys())
  const length = times.size === 0 ? 0 : Math.max(...times.keys()) - first + 1
  return {
    ...common,
    rttMinSeconds: Math.min(...answered.map(({ rttMin }) => rttMin)) / 1e9,
    rttMaxSeconds: Math.max(...answered.map(({ rttMin, rttSpan }) => rttMin + rttSpan)) / 1e9,
    rttSumSeconds: answered.reduce((sum, { rttSum }) => sum + rttSum, 0) / 1e9,
    jitterSeconds: answered.reduce((sum, each) => sum + each.jitter * each.received, 0) / received / 1e9,
    histogramOffset: first,
    histogramCounts: Array.from({ length }, (_, index) => times.get(first + index) ?? 0),
  }
}
