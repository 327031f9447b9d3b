/** Robust statistics: half of the data may be wrong without moving them far. */

const ascending = (values: readonly number[]): Float64Array => new Float64Array(values).sort()

/** The smallest value that at least the share `q` of all is not above. */
export const quantileOf = (values: readonly number[], q: number): number => {
  const sorted = ascending(values)
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)]!
}

/** The median; of an even number the upper one of the two in the middle, so that exactly half may be too low. */
export const upperMedian = (values: readonly number[]): number => {
  const sorted = ascending(values)
  return sorted[Math.floor(sorted.length / 2)]!
}

/** The median; of an even number the mean of the two in the middle. */
export const median = (values: readonly number[]): number => {
  const sorted = ascending(values)
  const upper = sorted[Math.floor(sorted.length / 2)]!
  return sorted.length % 2 === 1 ? upper : (sorted[sorted.length / 2 - 1]! + upper) / 2
}

/**
 * Standard deviation estimated from the median absolute deviation: 1.4826 of it, exact for a normal distribution.
 * The lower median of an even number: exactly half may be too far off.
 */
export const robustDeviation = (values: readonly number[], center: number): number =>
  1.4826 *
  quantileOf(
    values.map((value) => Math.abs(value - center)),
    0.5,
  )

/** z of a two-sided 99 % interval. */
const Z99 = 2.5758

/** Lower end of the 99 % Wilson score interval (Wilson 1927) of a share seen as `hits` of `count`. */
export const wilsonLower = (hits: number, count: number): number => {
  if (count === 0) return 0
  const share = hits / count
  const z2 = Z99 * Z99
  const middle = share + z2 / (2 * count)
  const half = Z99 * Math.sqrt((share * (1 - share)) / count + z2 / (4 * count * count))
  return Math.max(0, (middle - half) / (1 + z2 / count))
}

/**
 * Probability that a pair of `count` probes, each lost with probability `loss`, shows a loss above `limit` for sure:
 * the upper tail of the binomial distribution from the first number of hits whose Wilson interval lies above.
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
