import { chanceToShow, wilsonLower } from '../../lib/statistics.ts'
import { type DirectionCount, UnexplainedPairs } from './direction-counts.ts'
import { confidenceOf, logOdds, shareOf } from './posterior.ts'
import { isBad, type Sample } from './samples.ts'
import type { Parameters } from './thresholds.ts'
import type { FaultDirection } from './verdict.ts'

/** A node or rack that explains bad pairs of one fabric, with the pairs for and against it. */
export type Culprit = {
  readonly kind: DirectionCount['kind']
  /** The name of the node or the rack. */
  readonly name: string
  readonly direction: FaultDirection
  readonly confidence: number
  readonly pairsFor: Sample[]
  readonly pairsAgainst: Sample[]
}

/** A pair of a culprit is bad with this probability. The rest is for causes that the model does not know. */
const BAD_WHEN_FAULTY = 0.95

type Candidate = {
  readonly kind: DirectionCount['kind']
  readonly name: string
  readonly direction: FaultDirection
  readonly directions: readonly DirectionCount[]
  /** The other direction of a candidate that is bad in one. */
  readonly opposite: DirectionCount | undefined
  /** Updated only when its pairs change: with thousands of candidates, most stay the same after each culprit. */
  evidence: PairEvidence
}

/** How often a pair of a culprit is bad, and whether enough of a candidate's pairs are. */
type Pattern = { readonly whenFaulty: number; readonly isMet: boolean }

/** What the pairs of a candidate show. */
type PairEvidence = { readonly count: number; readonly badCount: number } & Pattern

type Assessed = { readonly candidate: Candidate; readonly odds: number }

const NO_PAIRS: PairEvidence = { count: 0, badCount: 0, whenFaulty: 0, isMet: false }

const sum = (
  directions: readonly DirectionCount[],
  figureOf: (direction: DirectionCount) => number,
): number => directions.reduce((total, direction) => total + figureOf(direction), 0)

const samplesOf = (unexplained: UnexplainedPairs, { directions }: Candidate): Sample[] =>
  directions.flatMap(({ samples }) => samples.filter((sample) => unexplained.has(sample)))

const candidatesOf = ({ nodes, racks }: UnexplainedPairs): Candidate[] =>
  [...nodes.values(), ...racks.values()].flatMap(({ tx, rx }): Candidate[] => {
    const given = { kind: tx.kind, name: tx.name, evidence: NO_PAIRS }
    return [
      { ...given, direction: 'both', directions: [tx, rx], opposite: undefined },
      { ...given, direction: 'tx', directions: [tx], opposite: rx },
      { ...given, direction: 'rx', directions: [rx], opposite: tx },
    ]
  })

/** Each direction of a culprit must be bad: a very bad one would otherwise make the other one look bad. */
const badPattern = ({ directions }: Candidate, { minBadRatio }: Parameters): Pattern => ({
  whenFaulty: BAD_WHEN_FAULTY,
  isMet: directions.every(({ badCount, count }) => badCount >= minBadRatio * count),
})

/**
 * A node that loses 1 probe in 10 does not make every pair of 10 probes bad, only as many as chance shows. A lost probe
 * may be lost in either direction, so one direction is accused only when the other one loses clearly less.
 */
const lossPattern = (
  { directions, opposite }: Candidate,
  badCount: number,
  { lossRatio, minBadRatio }: Parameters,
): Pattern => {
  const sent = sum(directions, ({ sentCount }) => sentCount)
  const lost = sum(directions, ({ lostCount }) => lostCount)
  const count = sum(directions, (direction) => direction.count)
  const isSignificant = wilsonLower(lost, sent) > lossRatio
  const isOneWay = !opposite || opposite.lostCount <= wilsonLower(lost, sent) * opposite.sentCount
  const whenFaulty = Math.min(BAD_WHEN_FAULTY, chanceToShow(lost / sent, Math.round(sent / count), lossRatio))
  return {
    whenFaulty,
    isMet: isSignificant && isOneWay && badCount >= minBadRatio * whenFaulty * count,
  }
}

/** Fewer bad pairs never make a culprit. */
const leastBadCount = ({ minGoodPeers }: Parameters): number => Math.max(1, minGoodPeers)

const badCountOf = (directions: readonly DirectionCount[]): number =>
  sum(directions, (direction) => direction.badCount)

const evidenceOf = (candidate: Candidate, parameters: Parameters): PairEvidence => {
  const { directions } = candidate
  const count = sum(directions, (direction) => direction.count)
  const badCount = badCountOf(directions)
  const isOnlyLoss = directions.every((direction) => direction.badCount === direction.lossyCount)
  const pattern =
    isOnlyLoss && parameters.poolsLoss && directions.some(({ sentCount }) => sentCount > 0)
      ? lossPattern(candidate, badCount, parameters)
      : badPattern(candidate, parameters)
  return { count, badCount, ...pattern }
}

/** Returns a function for the candidates whose pairs show a fault. It examines only those whose pairs changed. */
const createSuspects = (
  unexplained: UnexplainedPairs,
  candidates: readonly Candidate[],
  parameters: Parameters,
) => {
  const byDirection = new Map<DirectionCount, Candidate[]>()
  for (const candidate of candidates) {
    for (const direction of [...candidate.directions, ...(candidate.opposite ? [candidate.opposite] : [])]) {
      const known = byDirection.get(direction)
      if (known) known.push(candidate)
      else byDirection.set(direction, [candidate])
    }
  }
  const suspects = new Set<Candidate>()
  return (): ReadonlySet<Candidate> => {
    for (const direction of unexplained.takeChanged()) {
      for (const candidate of byDirection.get(direction) ?? []) {
        // Most candidates have few bad pairs, so the rest of their evidence is not computed.
        const isEnough = badCountOf(candidate.directions) >= leastBadCount(parameters)
        if (isEnough) candidate.evidence = evidenceOf(candidate, parameters)
        if (isEnough && candidate.evidence.isMet) suspects.add(candidate)
        else suspects.delete(candidate)
      }
    }
    return suspects
  }
}

const assess = (
  unexplained: UnexplainedPairs,
  candidate: Candidate,
  candidateCount: number,
): Assessed | undefined => {
  const { count, badCount, whenFaulty } = candidate.evidence
  const whenHealthy = shareOf(unexplained.badCount - badCount, unexplained.count - count)
  if (whenHealthy >= whenFaulty) return undefined
  const goodCount = count - badCount
  return { candidate, odds: logOdds({ badCount, goodCount, whenFaulty, whenHealthy, candidateCount }) }
}

/** Whether enough peers have good pairs with other nodes. Without them the peers may be the bad ones. */
const hasGoodPeers = (
  unexplained: UnexplainedPairs,
  candidate: Candidate,
  { minGoodPeers }: Parameters,
): boolean => {
  if (minGoodPeers === 0) return true
  const own = new Set(samplesOf(unexplained, candidate))
  const good = new Set<string>()
  for (const { direction, samples } of candidate.directions) {
    for (const sample of samples) {
      const peer = direction === 'tx' ? sample.destination : sample.source
      if (good.has(peer)) continue
      const { tx, rx } = unexplained.nodes.get(peer)!
      const others = (direction === 'tx' ? rx : tx).samples.filter(
        (other) => unexplained.has(other) && !own.has(other),
      )
      if (others.length > 2 * others.filter(isBad).length) good.add(peer)
      if (good.size >= minGoodPeers) return true
    }
  }
  return false
}

/** Whether several of the rack's nodes suffer with other racks, and not among themselves. */
const looksLikeUplink = (
  unexplained: UnexplainedPairs,
  { name, directions }: Candidate,
  { minGoodPeers, minBadRatio }: Parameters,
): boolean => {
  const suffering = new Set(
    directions.flatMap(({ direction, samples }) =>
      samples
        .filter((sample) => isBad(sample) && unexplained.has(sample))
        .map(({ source, destination }) => (direction === 'tx' ? source : destination)),
    ),
  )
  const inside = unexplained.insideRack(name)
  if (inside.length === 0) return suffering.size >= minGoodPeers
  return suffering.size >= 2 && inside.filter(isBad).length <= (1 - minBadRatio) * inside.length
}

const isSupported = (
  unexplained: UnexplainedPairs,
  { candidate, odds }: Assessed,
  parameters: Parameters,
): boolean =>
  confidenceOf(odds) >= parameters.minConfidence &&
  hasGoodPeers(unexplained, candidate, parameters) &&
  (candidate.kind === 'node' ||
    !parameters.comparesInsideRack ||
    looksLikeUplink(unexplained, candidate, parameters))

const toCulprit = (unexplained: UnexplainedPairs, { candidate, odds }: Assessed): Culprit => {
  const samples = samplesOf(unexplained, candidate)
  const { kind, name, direction } = candidate
  return {
    kind,
    name,
    direction,
    confidence: confidenceOf(odds),
    pairsFor: samples.filter(isBad),
    pairsAgainst: samples.filter((sample) => !isBad(sample)),
  }
}

const DIRECTIONS: readonly FaultDirection[] = ['both', 'tx', 'rx']

/** Orders by odds; then by direction and name, so that the order of the results does not change the verdicts. */
const byStrength = (one: Assessed, other: Assessed): number =>
  other.odds - one.odds ||
  DIRECTIONS.indexOf(one.candidate.direction) - DIRECTIONS.indexOf(other.candidate.direction) ||
  (one.candidate.name < other.candidate.name ? -1 : 1)

/** Returns the strongest supported candidate. It sorts them only when the strongest of all is not supported. */
const strongest = (
  unexplained: UnexplainedPairs,
  suspects: ReadonlySet<Candidate>,
  candidateCount: number,
  parameters: Parameters,
): Assessed | undefined => {
  let best: Assessed | undefined
  for (const candidate of suspects) {
    const assessed = assess(unexplained, candidate, candidateCount)
    if (assessed && (!best || byStrength(assessed, best) < 0)) best = assessed
  }
  if (!best || isSupported(unexplained, best, parameters)) return best
  return [...suspects]
    .flatMap((candidate) => assess(unexplained, candidate, candidateCount) ?? [])
    .sort(byStrength)
    .find((assessed) => isSupported(unexplained, assessed, parameters))
}

/**
 * Explains the bad pairs of a fabric greedily: takes the candidate with the best odds, then removes its pairs from the
 * evidence for and against all others. `rest` holds the pairs that no culprit explains.
 */
export const findCulprits = (
  samples: readonly Sample[],
  rackOf: ReadonlyMap<string, string>,
  parameters: Parameters,
): { culprits: Culprit[]; rest: Sample[] } => {
  if (samples.filter(isBad).length < leastBadCount(parameters)) return { culprits: [], rest: [...samples] }
  const unexplained = new UnexplainedPairs(samples, rackOf)
  const candidates = candidatesOf(unexplained)
  const suspects = createSuspects(unexplained, candidates, parameters)
  const culprits: Culprit[] = []
  for (;;) {
    const next = strongest(unexplained, suspects(), candidates.length, parameters)
    if (!next) return { culprits, rest: samples.filter((sample) => unexplained.has(sample)) }
    const culprit = toCulprit(unexplained, next)
    culprits.push(culprit)
    unexplained.explain([...culprit.pairsFor, ...culprit.pairsAgainst])
  }
}
