/**
 * The confidence of a verdict: Bayes' rule with two explanations for the pairs of a candidate. Either it is faulty, and
 * each of its pairs is bad with probability `whenFaulty`. Or it is healthy, and its pairs are bad as often as all others
 * (`whenHealthy`: ECMP collisions, noise, other culprits). The prior is that one candidate of all is faulty. The mean of
 * (1 - confidence) over the verdicts is then the expected ratio of false ones, for any number of tested pairs.
 */
export type Evidence = {
  readonly badCount: number
  readonly goodCount: number
  readonly whenFaulty: number
  readonly whenHealthy: number
  readonly candidateCount: number
}

export const logOdds = ({ badCount, goodCount, whenFaulty, whenHealthy, candidateCount }: Evidence): number =>
  badCount * Math.log(whenFaulty / whenHealthy) +
  goodCount * Math.log((1 - whenFaulty) / (1 - whenHealthy)) -
  Math.log(Math.max(1, candidateCount - 1))

/** Upper limit, because the model itself may be wrong. */
const MAX_CONFIDENCE = 0.999

export const confidenceOf = (odds: number): number => Math.min(MAX_CONFIDENCE, 1 / (1 + Math.exp(-odds)))

/** The ratio of bad pairs, kept away from 0 and 1 by half a pair (Jeffreys' prior). */
export const shareOf = (badCount: number, count: number): number => (badCount + 0.5) / (count + 1)
