import type { PingStatistics } from '#proto/meshgauge/agent/v1/ping.ts'
import { mergeHistograms, quantile } from '../../../lib/histogram.ts'
import { fromDuration } from '../../../lib/protobuf-time.ts'

/** Round-trip times of several targets together, in seconds. */
export type RoundTrips = { min: number; p50: number; p99: number; max: number }

/** Merges the histograms; percentiles of percentiles would mean nothing. Undefined when nothing was received. */
export const mergeRoundTrips = (statistics: readonly PingStatistics[]): RoundTrips | undefined => {
  let [min, max] = [Number.POSITIVE_INFINITY, 0]
  for (const { rtt } of statistics) {
    min = Math.min(min, fromDuration(rtt?.min) ?? min)
    max = Math.max(max, fromDuration(rtt?.max) ?? max)
  }
  const merged = mergeHistograms(statistics.flatMap(({ histogram }) => (histogram ? [histogram] : [])))
  const [p50, p99] = [quantile(merged, 0.5), quantile(merged, 0.99)]
  if (p50 === undefined || p99 === undefined || min > max) return undefined
  // A bucket's middle may lie outside of what was really seen.
  const within = (seconds: number) => Math.min(max, Math.max(min, seconds))
  return { min, p50: within(p50), p99: within(p99), max }
}
