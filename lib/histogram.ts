/**
 * Round-trip times as an exponential histogram that can be merged with others: bucket i counts the times t with
 * base^i < t <= base^(i+1), base = 2^(1/32), as OpenTelemetry defines it at scale 5. Hand-written: OpenTelemetry's SDK
 * does not export its histogram, and others have different buckets.
 */

import type { RttHistogram } from '#proto/meshgauge/agent/v1/ping.ts'
import { fromDuration, toDuration } from './protobuf-time.ts'

const HISTOGRAM_SCALE = 5
const BUCKETS_PER_DOUBLING = 2 ** HISTOGRAM_SCALE

/** The range of times, 1 µs to 1 h, which limits a histogram to about 1,000 buckets. */
const MIN_SECONDS = 1e-6
const MAX_SECONDS = 3600

/** The index of the bucket of a time. */
export const bucketOf = (seconds: number): number =>
  Math.ceil(Math.log2(Math.min(MAX_SECONDS, Math.max(MIN_SECONDS, seconds))) * BUCKETS_PER_DOUBLING) - 1

/** The first and the last bucket. */
export const MIN_INDEX = bucketOf(MIN_SECONDS)
export const MAX_INDEX = bucketOf(MAX_SECONDS)

/** The representative time of a bucket in seconds, with a relative error of at most 1.09 %. */
export const middleOfIndex = (index: number): number => 2 ** ((index + 0.5) / BUCKETS_PER_DOUBLING)

export type Histogram = {
  record(seconds: number): void
  /** Adds the counts of another histogram. Throws a RangeError when its scale or range differs. */
  merge(other: RttHistogram): void
  count(): number
  toMessage(): RttHistogram
}

export const createHistogram = (): Histogram => {
  const counts = new Map<number, number>()
  let sum = 0
  let count = 0
  const add = (index: number, times: number) => {
    counts.set(index, (counts.get(index) ?? 0) + times)
    count += times
  }
  return {
    record: (seconds) => {
      add(bucketOf(seconds), 1)
      sum += seconds
    },
    merge: (other) => {
      checkRange(other)
      for (const [position, times] of other.counts.entries())
        if (times > 0) add(other.offset + position, times)
      sum += fromDuration(other.sum) ?? 0
    },
    count: () => count,
    toMessage: () => {
      const first = Math.min(...counts.keys())
      const last = Math.max(...counts.keys())
      const length = counts.size === 0 ? 0 : last - first + 1
      return {
        scale: HISTOGRAM_SCALE,
        offset: length === 0 ? 0 : first,
        counts: Array.from({ length }, (_, position) => counts.get(first + position) ?? 0),
        sum: toDuration(sum),
      }
    },
  }
}

/** Checks a histogram from the network, so that invalid buckets use no memory and produce no times. */
const checkRange = ({ scale, offset, counts }: RttHistogram): void => {
  if (scale !== HISTOGRAM_SCALE) throw new RangeError(`a histogram of scale ${scale}, not ${HISTOGRAM_SCALE}`)
  const last = offset + counts.length - 1
  if (counts.length > 0 && (offset < MIN_INDEX || last > MAX_INDEX)) {
    throw new RangeError(
      `a histogram with buckets ${offset} to ${last}, not within ${MIN_INDEX} to ${MAX_INDEX}`,
    )
  }
}

export const mergeHistograms = (histograms: Iterable<RttHistogram>): RttHistogram => {
  const merged = createHistogram()
  for (const histogram of histograms) merged.merge(histogram)
  return merged.toMessage()
}

export const countOf = (histogram: RttHistogram): number =>
  histogram.counts.reduce((sum, count) => sum + count, 0)

/**
 * The q-quantile (0 to 1) in seconds with an error of at most 1.1 %: the smallest time that a share of at least `q` does not
 * exceed. Undefined when nothing was recorded.
 */
export const quantile = (histogram: RttHistogram, q: number): number | undefined => {
  const rank = Math.max(1, Math.ceil(q * countOf(histogram)))
  let below = 0
  for (const [position, count] of histogram.counts.entries()) {
    below += count
    if (below >= rank) return middleOfIndex(histogram.offset + position)
  }
  return undefined
}
