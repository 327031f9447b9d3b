/** Robust statistics: outliers among fewer than half of the values change the result little. */

const ascending = (values: readonly number[]): Float64Array => new Float64Array(values).sort()

/** The q-quantile of values in ascending order (nearest rank): the smallest that at least the share `q` does not exceed. */
export const quantileOfSorted = (sorted: ArrayLike<number>, q: number): number | undefined =>
  sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)]

/** The q-quantile (nearest rank); undefined for no values. */
export const quantileOf = (values: readonly number[], q: number): number | undefined =>
  quantileOfSorted(ascending(values), q)

/** The median; the mean of the two middle values for an even count; undefined for no values. */
export const median = (values: readonly number[]): number | undefined => {
  const sorted = ascending(values)
  const upper = sorted[Math.floor(sorted.length / 2)]
  if (upper === undefined || sorted.length % 2 === 1) return upper
  return (sorted[sorted.length / 2 - 1]! + upper) / 2
}

/** The median; the upper of the two middle values for an even count, so that exactly half may be too low. */
export const upperMedian = (values: readonly number[]): number | undefined => {
  const sorted = ascending(values)
  return sorted[Math.floor(sorted.length / 2)]
}

/**
 * Standard deviation estimated from the median absolute deviation (MAD) around `center`; 0 for no values. The factor
 * 1.4826 makes it exact for a normal distribution. It uses the lower of two middle values, so that exactly half may be
 * outliers.
 */
export const robustDeviation = (values: readonly number[], center: number): number =>
  1.4826 *
  (quantileOf(
    values.map((value) => Math.abs(value - center)),
    0.5,
  ) ?? 0)

/** z of a two-sided 99 % interval. */
const Z99 = 2.5758

const wilsonScore = (share: number, count: number, z: number): { middle: number; half: number } => {
  const z2 = z * z
  const scale = 1 + z2 / count
  const spread = Math.sqrt((share * (1 - share)) / count + z2 / (4 * count * count))
  return { middle: (share + z2 / (2 * count)) / scale, half: (z * spread) / scale }
}

/** The lower end of the 99 % Wilson score interval (Wilson 1927) of the share `hits / count`; 0 for no trials. */
export const wilsonLower = (hits: number, count: number): number => {
  if (count === 0) return 0
  const { middle, half } = wilsonScore(hits / count, count, Z99)
  return Math.max(0, middle - half)
}

/** z of a two-sided 95 % interval. */
const Z95 = 1.96

/** The 95 % Wilson score interval (Wilson 1927) of the share `hits / count`; 0 to 1 for no trials. */
export const wilsonInterval = (hits: number, count: number): readonly [low: number, high: number] => {
  if (count === 0) return [0, 1]
  const { middle, half } = wilsonScore(hits / count, count, Z95)
  return [Math.max(0, middle - half), Math.min(1, middle + half)]
}

/**
 * The probability that a pair whose `count` probes are each lost with probability `loss` shows a loss significantly
 * above `limit`: the upper tail of the binomial distribution, from the first hit count whose Wilson interval is above.
 */
export const chanceToShow = (loss: number, count: number, limit: number): number => {
  let below = 0
  let term = (1 - loss) ** count
  for (let hits = 0; hits <= count && wilsonLower(hits, count) <= limit; hits++) {
    below += term
    term *= ((count - hits) / (hits + 1)) * (loss / (1 - loss))
  }
  return Math.max(0, 1 - below)
}
