import type { PingStatistics } from '#proto/meshgauge/agent/v1/ping.ts'
import { fromDuration } from '../../lib/protobuf-time.ts'

/** Round-trip times of several targets together, in seconds. */
export type RoundTrips = { count: number; min: number; avg: number; p50: number; p99: number; max: number }

type Bucket = { seconds: number; count: number }

const quantile = (buckets: readonly Bucket[], count: number, q: number): number => {
  const rank = Math.max(1, Math.ceil(q * count))
  let seen = 0
  for (const bucket of buckets) {
    seen += bucket.count
    if (seen >= rank) return bucket.seconds
  }
  return buckets.at(-1)!.seconds
}

/** Merges the histograms; percentiles of percentiles would mean nothing. Undefined when nothing was received. */
export const mergeRoundTrips = (statistics: readonly PingStatistics[]): RoundTrips | undefined => {
  const merged = new Map<number, number>()
  let [count, sum, min, max] = [0, 0, Number.POSITIVE_INFINITY, 0]
  for (const { rtt, histogram } of statistics) {
    if (!rtt || !histogram) continue
    min = Math.min(min, fromDuration(rtt.min) ?? min)
    max = Math.max(max, fromDuration(rtt.max) ?? max)
    sum += fromDuration(histogram.sum) ?? 0
    for (const [position, inBucket] of histogram.counts.entries()) {
      // The geometric middle: off by half a bucket at most.
      const seconds = 2 ** ((histogram.offset + position + 0.5) * 2 ** -histogram.scale)
      merged.set(seconds, (merged.get(seconds) ?? 0) + inBucket)
      count += inBucket
    }
  }
  if (count === 0) return undefined
  const buckets = [...merged]
    .map(([seconds, inBucket]) => ({ seconds, count: inBucket }))
    .sort((a, b) => a.seconds - b.seconds)
  const at = (q: number) => Math.min(max, Math.max(min, quantile(buckets, count, q)))
  return { count, min, avg: sum / count, p50: at(0.5), p99: at(0.99), max }
}
