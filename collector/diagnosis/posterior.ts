/**
 * How sure a verdict is: Bayes' rule with two explanations for the pairs of a candidate. Either it is at fault, and
 * each of its pairs is bad with probability `whenFaulty`; or it is well, and its pairs are as often bad as those of
 * all others (`whenWell`: ECMP collisions, noise, other culprits). Before looking, one candidate among all is taken
 * to be at fault. The mean of (1 - confidence) over the verdicts is then the expected share of false ones, whatever
 * the number of pairs that were tested.
 */
export type Evidence = {
  readonly badCount: number
  readonly goodCount: number
  readonly whenFaulty: number
  readonly whenWell: number
  readonly candidateCount: number
}

export const logOdds = ({ badCount, goodCount, whenFaulty, whenWell, candidateCount }: Evidence): number =>
  badCount * Math.log(whenFaulty / whenWell) +
  goodCount * Math.log((1 - whenFaulty) / (1 - whenWell)) -
  Math.log(Math.max(1, candidateCount - 1))

/** More than this is never claimed: the model itself may be wrong. */
const MAX_CONFIDENCE = 0.999

export const confidenceOf = (odds: number): number => Math.min(MAX_CONFIDENCE, 1 / (1 + Math.exp(-odds)))

/** Share of bad ones, kept away from 0 and 1 by half a pair (Jeffreys' prior). */
export const shareOf = (badCount: number, count: number): number => (badCount + 0.5) / (count + 1)
