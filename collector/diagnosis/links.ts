import { transientShare } from './chance.ts'
import { confidenceOf, logOdds } from './posterior.ts'
import { isBad, isRetested, type Sample } from './samples.ts'
import type { Parameters } from './thresholds.ts'

/** A bad path between two nodes that are both good with others. */
export type BadLink = {
  readonly source: string
  readonly destination: string
  readonly confidence: number
  /** One pair, or both directions. */
  readonly pairsFor: Sample[]
  /** The reverse direction, when it is good. */
  readonly pairsAgainst: Sample[]
}

/** At most this ratio of a node's pairs may be bad for a link of the node to be accused. */
const MAX_BAD_SHARE = 0.25

/** A broken link is bad in an attempt with this probability. */
const BAD_WHEN_FAULTY = 0.95

/** Returns the nodes with enough good pairs, sent or received, to be healthy. */
const healthyNodes = (samples: readonly Sample[], minGoodPeers: number): Set<string> => {
  const counts = new Map<string, { good: number; bad: number }>()
  for (const sample of samples) {
    for (const node of [sample.source, sample.destination]) {
      const count = counts.get(node) ?? { good: 0, bad: 0 }
      if (isBad(sample)) count.bad++
      else count.good++
      counts.set(node, count)
    }
  }
  const healthy = [...counts].filter(
    ([, { good, bad }]) => good >= minGoodPeers && bad <= Math.max(2, MAX_BAD_SHARE * (good + bad)),
  )
  return new Set(healthy.map(([node]) => node))
}

/** Returns the pairs of the candidates' destinations, by source and destination. */
const reversePairs = (
  samples: readonly Sample[],
  candidates: readonly Sample[],
): Map<string, Map<string, Sample>> => {
  const bySource = new Map(candidates.map(({ destination }) => [destination, new Map<string, Sample>()]))
  for (const sample of samples) bySource.get(sample.source)?.set(sample.destination, sample)
  return bySource
}

/**
 * Finds links: bad pairs that no culprit explains, that stand out from the noise, and that stayed bad on new ports. A healthy pair is bad
 * in every attempt with the probability for one attempt to the power of their number.
 */
export const findLinks = (rest: readonly Sample[], parameters: Parameters): BadLink[] => {
  const candidates = rest.filter((sample) => isBad(sample) && sample.standsOut && isRetested(sample))
  if (candidates.length === 0) return []
  const whenHealthy = transientShare(rest)
  const healthy = healthyNodes(rest, parameters.minGoodPeers)
  const reverseOf = reversePairs(rest, candidates)
  const links: BadLink[] = []
  for (const sample of candidates) {
    const { source, destination } = sample
    if (!healthy.has(source) || !healthy.has(destination)) continue
    const reverse = reverseOf.get(destination)!.get(source)
    const isBothWays = reverse !== undefined && isBad(reverse) && isRetested(reverse)
    // Both directions of one path are one link.
    if (isBothWays && destination < source) continue
    const pairsFor = isBothWays ? [sample, reverse] : [sample]
    const odds = logOdds({
      badCount: pairsFor.reduce((sum, { result }) => sum + result.attemptCount, 0),
      goodCount: 0,
      whenFaulty: BAD_WHEN_FAULTY,
      whenHealthy,
      candidateCount: rest.length / parameters.linksPerRun,
    })
    const confidence = confidenceOf(odds)
    if (confidence < parameters.minConfidence) continue
    const pairsAgainst = reverse && !isBad(reverse) ? [reverse] : []
    links.push({ source, destination, confidence, pairsFor, pairsAgainst })
  }
  return links
}
