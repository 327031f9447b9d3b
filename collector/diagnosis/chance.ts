import { shareOf } from './posterior.ts'
import { isBad, isRetested, type Sample } from './samples.ts'

/**
 * Returns the probability that a healthy pair is bad in one attempt. It is learned from pairs that recovered in a retest
 * (an ECMP collision disappears on another port) or were not retested.
 */
export const transientShare = (rest: readonly Sample[]): number =>
  shareOf(rest.filter((sample) => isBad(sample) !== isRetested(sample)).length, rest.length)

/** Chance explains this number of bad pairs, or more, with at most this probability. */
const MAX_CHANCE = 0.01

/** Returns the probability of at least `count` events where `expected` are expected (Poisson). */
const chanceOf = (count: number, expected: number): number => {
  let term = Math.exp(-expected)
  let below = 0
  for (let events = 0; events < count; events++) {
    below += term
    term *= expected / (events + 1)
  }
  return Math.max(0, 1 - below)
}

/**
 * Returns the bad pairs that no culprit explains, without those that chance explains. Pairs that recovered in a retest
 * show how often a healthy pair is bad in one attempt; in every attempt, it is bad with that probability to the power of
 * their number. A pair that failed or is far from every good one is never explained.
 * @param rest the pairs of a fabric that no culprit explains, good ones too
 */
export const withoutChance = (rest: readonly Sample[], suspects: readonly Sample[]): Sample[] => {
  const far = suspects.filter(({ isFar }) => isFar)
  const others = suspects.filter(({ isFar }) => !isFar)
  if (others.length === 0) return far
  const attempts = Math.min(...others.map(({ result }) => result.attemptCount))
  const expected = rest.length * transientShare(rest) ** Math.max(1, attempts)
  return chanceOf(others.length, expected) <= MAX_CHANCE ? [...suspects] : far
}
