import type { PingStatistics } from '#proto/meshgauge/agent/v1/ping.ts'
import { mergeHistograms, quantile } from '../../../lib/histogram.ts'
import { fromDuration } from '../../../lib/protobuf-time.ts'

/** Round-trip times over several targets, in seconds. */
export type RoundTrips = { min: number; p50: number; p99: number; max: number }

/**
 * Merges the round-trip times of several targets from their histograms, because percentiles cannot be averaged.
 * Undefined when nothing was received.
 */
export const mergeRoundTrips = (statistics: readonly PingStatistics[]): RoundTrips | undefined => {
  let [min, max] = [Number.POSITIVE_INFINITY, 0]
  for (const { rtt } of statistics) {
    min = Math.min(min, fromDuration(rtt?.min) ?? min)
    max = Math.max(max, fromDuration(rtt?.max) ?? max)
  }
  const merged = mergeHistograms(statistics.flatMap(({ histogram }) => (histogram ? [histogram] : [])))
  const [p50, p99] = [quantile(merged, 0.5), quantile(merged, 0.99)]
  if (p50 === undefined || p99 === undefined || min > max) return undefined
  // The middle of a bucket may be outside the measured range.
  const within = (seconds: number) => Math.min(max, Math.max(min, seconds))
  return { min, p50: within(p50), p99: within(p99), max }
}
