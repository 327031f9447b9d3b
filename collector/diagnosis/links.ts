import { MIN_GOOD_PEERS } from './culprits.ts'
import { confidenceOf, logOdds, shareOf } from './posterior.ts'
import { isBad, type Sample } from './samples.ts'
import type { Thresholds } from './thresholds.ts'

/** A bad path between two nodes that both do well with others. */
export type BadLink = {
  readonly source: string
  readonly destination: string
  readonly confidence: number
  /** One pair, or the way there and the way back. */
  readonly pairsFor: Sample[]
  /** The way back, when it is well. */
  readonly pairsAgainst: Sample[]
}

/** At most this share of the other pairs of a link's ends may be bad. */
const MAX_BAD_SHARE = 0.25

/** A broken link is bad in this share of attempts. */
const MOSTLY = 0.95

/** Broken links expected in a run before looking: rare, so that two collisions in a row are not taken for one. */
const LINKS_PER_RUN = 0.1

export const isRetested = ({ result }: Sample): boolean => result.attemptCount >= 2

/** Nodes with enough good pairs, sent or received, to be well themselves. */
const wellNodes = (samples: readonly Sample[]): Set<string> => {
  const counts = new Map<string, { good: number; bad: number }>()
  for (const sample of samples) {
    for (const node of [sample.source, sample.destination]) {
      const count = counts.get(node) ?? { good: 0, bad: 0 }
      if (isBad(sample)) count.bad++
      else count.good++
      counts.set(node, count)
    }
  }
  const well = [...counts].filter(
    ([, { good, bad }]) => good >= MIN_GOOD_PEERS && bad <= Math.max(2, MAX_BAD_SHARE * (good + bad)),
  )
  return new Set(well.map(([node]) => node))
}

/** Pairs by source and destination, of those sources that the candidates send to. */
const waysBack = (
  samples: readonly Sample[],
  candidates: readonly Sample[],
): Map<string, Map<string, Sample>> => {
  const bySource = new Map(candidates.map(({ destination }) => [destination, new Map<string, Sample>()]))
  for (const sample of samples) bySource.get(sample.source)?.set(sample.destination, sample)
  return bySource
}

/**
 * Bad pairs that no culprit explains and that stayed bad on new ports. How often a well pair is bad in one attempt
 * is learned from those that recovered in a retest (an ECMP collision goes away on another port) or were not tested
 * again; a well pair is then bad in all of its attempts with that share to the power of their number.
 */
export const findLinks = (rest: readonly Sample[], thresholds: Thresholds): BadLink[] => {
  const candidates = rest.filter((sample) => isBad(sample) && isRetested(sample))
  if (candidates.length === 0) return []
  const transient = rest.filter((sample) => isBad(sample) !== isRetested(sample)).length
  const whenWell = shareOf(transient, rest.length)
  const well = wellNodes(rest)
  const backOf = waysBack(rest, candidates)
  const links: BadLink[] = []
  for (const sample of candidates) {
    const { source, destination } = sample
    if (!well.has(source) || !well.has(destination)) continue
    const back = backOf.get(destination)!.get(source)
    const bothWays = back !== undefined && isBad(back) && isRetested(back)
    // The two ways of one path are one link, named once.
    if (bothWays && destination < source) continue
    const pairsFor = bothWays ? [sample, back] : [sample]
    const odds = logOdds({
      badCount: pairsFor.reduce((sum, { result }) => sum + result.attemptCount, 0),
      goodCount: 0,
      whenFaulty: MOSTLY,
      whenWell,
      candidateCount: rest.length / LINKS_PER_RUN,
    })
    const confidence = confidenceOf(odds)
    if (confidence < thresholds.minConfidence) continue
    const pairsAgainst = back && !isBad(back) ? [back] : []
    links.push({ source, destination, confidence, pairsFor, pairsAgainst })
  }
  return links
}
