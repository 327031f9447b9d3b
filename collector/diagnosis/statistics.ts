/** Robust statistics: half of the data may be wrong without moving them far. */

const ascending = (values: Iterable<number>): Float64Array => Float64Array.from(values).sort()

/** The smallest value that at least the share `q` of all is not above. */
export const quantileOf = (values: Iterable<number>, q: number): number => {
  const sorted = ascending(values)
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)]!
}

/** The median; of an even number the upper one of the two in the middle, so that exactly half may be too low. */
export const upperMedian = (values: Iterable<number>): number => {
  const sorted = ascending(values)
  return sorted[Math.floor(sorted.length / 2)]!
}

/** The median; of an even number the mean of the two in the middle. */
export const median = (values: Iterable<number>): number => {
  const sorted = ascending(values)
  const upper = sorted[Math.floor(sorted.length / 2)]!
  return sorted.length % 2 === 1 ? upper : (sorted[sorted.length / 2 - 1]! + upper) / 2
}

/** Standard deviation estimated from the median absolute deviation: 1.4826 of it, exact for a normal distribution. */
export const robustDeviation = (values: readonly number[], center: number): number =>
  1.4826 * upperMedian(values.map((value) => Math.abs(value - center)))

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

/** Probability that of `count` independent probes at least one is lost, each with probability `loss`. */
export const anyLoss = (loss: number, count: number): number => 1 - (1 - loss) ** count
