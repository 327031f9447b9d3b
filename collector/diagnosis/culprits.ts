import { type DirectionCount, explain, isOpen, type Open, openUp } from './direction-counts.ts'
import { confidenceOf, logOdds, shareOf } from './posterior.ts'
import { isBad, type Sample } from './samples.ts'
import { chanceToShow, wilsonLower } from './statistics.ts'
import type { Thresholds } from './thresholds.ts'

export type Direction = 'tx' | 'rx' | 'both'

/** Who is to blame within one fabric, and the pairs that speak for and against it. */
export type Culprit = {
  readonly kind: DirectionCount['kind']
  /** The node or the rack. */
  readonly name: string
  readonly direction: Direction
  readonly confidence: number
  readonly pairsFor: Sample[]
  readonly pairsAgainst: Sample[]
}

/** A blame on a node needs so many peers that do well otherwise: a ring alone never accuses. */
export const MIN_GOOD_PEERS = 3

/** At least this share of a culprit's own pairs is bad. */
const MIN_BAD_SHARE = 0.75

/** A bad pair of a culprit is bad this often; the rest is left to what nobody thought of. */
const MOSTLY = 0.95

type Candidate = {
  readonly kind: DirectionCount['kind']
  readonly name: string
  readonly direction: Direction
  readonly sides: readonly DirectionCount[]
  /** The other way of a candidate that is bad one way. */
  readonly opposite: DirectionCount | undefined
  /** What its own pairs say, worked out when they change: most of thousands are as they were a culprit ago. */
  standing: Standing
}

/** Of the pairs of a candidate alone. */
type Standing = { readonly count: number; readonly badCount: number } & Pattern

const UNKNOWN: Standing = { count: 0, badCount: 0, whenFaulty: 0, isMet: false }

type Assessed = { readonly candidate: Candidate; readonly odds: number }

const sum = (sides: readonly DirectionCount[], unitsOf: (side: DirectionCount) => number): number =>
  sides.reduce((total, side) => total + unitsOf(side), 0)

const openSamples = (open: Open, { sides }: Candidate): Sample[] =>
  sides.flatMap(({ samples }) => samples.filter((sample) => isOpen(open, sample)))

const candidatesOf = (open: Open): Candidate[] =>
  [...open.ends.values(), ...open.racks.values()].flatMap(({ tx, rx }): Candidate[] => {
    const { kind, name } = tx
    const given = { kind, name, standing: UNKNOWN }
    return [
      { ...given, direction: 'both', sides: [tx, rx], opposite: undefined },
      { ...given, direction: 'tx', sides: [tx], opposite: rx },
      { ...given, direction: 'rx', sides: [rx], opposite: tx },
    ]
  })

/** How often a pair of a culprit is bad, and whether enough of its pairs are. */
type Pattern = { readonly whenFaulty: number; readonly isMet: boolean }

/** Each way of a culprit is bad by itself; otherwise a very bad way would take the other one along. */
const badPattern = ({ sides }: Candidate): Pattern => ({
  whenFaulty: MOSTLY,
  isMet: sides.every((side) => side.badCount >= MIN_BAD_SHARE * side.count),
})

/**
 * A node that loses one probe in ten spoils not every pair of ten probes, but as many as chance shows. And as a
 * lost probe may be lost on either way, one way is blamed only when the other one loses clearly less.
 */
const lossPattern = ({ sides, opposite }: Candidate, badCount: number, thresholds: Thresholds): Pattern => {
  const sent = sum(sides, (side) => side.sentCount)
  const lost = sum(sides, (side) => side.lostCount)
  const count = sum(sides, (side) => side.count)
  const isSure = wilsonLower(lost, sent) > thresholds.lossRatio
  const isOneWay = !opposite || opposite.lostCount <= wilsonLower(lost, sent) * opposite.sentCount
  const shown = chanceToShow(lost / sent, Math.round(sent / count), thresholds.lossRatio)
  const whenFaulty = Math.min(MOSTLY, shown)
  return {
    whenFaulty,
    isMet: isSure && isOneWay && badCount >= MIN_BAD_SHARE * whenFaulty * count,
  }
}

const standingOf = (candidate: Candidate, thresholds: Thresholds): Standing => {
  const { sides } = candidate
  const count = sum(sides, (side) => side.count)
  const badCount = sum(sides, (side) => side.badCount)
  const onlyLoss = sides.every((side) => side.badCount === side.lossyCount)
  const pattern = onlyLoss ? lossPattern(candidate, badCount, thresholds) : badPattern(candidate)
  return { count, badCount, whenFaulty: pattern.whenFaulty, isMet: pattern.isMet }
}

/** Candidates whose own pairs speak against them, kept up as pairs are explained. */
const createSuspects = (open: Open, candidates: readonly Candidate[], thresholds: Thresholds) => {
  const ofSide = new Map<DirectionCount, Candidate[]>()
  for (const candidate of candidates) {
    for (const side of [...candidate.sides, ...(candidate.opposite ? [candidate.opposite] : [])]) {
      const known = ofSide.get(side)
      if (known) known.push(candidate)
      else ofSide.set(side, [candidate])
    }
  }
  const suspects = new Set<Candidate>()
  return (): ReadonlySet<Candidate> => {
    for (const side of open.touched) {
      for (const candidate of ofSide.get(side) ?? []) {
        candidate.standing = standingOf(candidate, thresholds)
        if (candidate.standing.isMet && candidate.standing.badCount >= MIN_GOOD_PEERS) suspects.add(candidate)
        else suspects.delete(candidate)
      }
    }
    open.touched.clear()
    return suspects
  }
}

const assess = (open: Open, candidate: Candidate, candidateCount: number): Assessed | undefined => {
  const { count, badCount, whenFaulty } = candidate.standing
  const whenWell = shareOf(open.badCount - badCount, open.count - count)
  if (whenWell >= whenFaulty) return undefined
  const evidence = { badCount, goodCount: count - badCount, whenFaulty, whenWell, candidateCount }
  return { candidate, odds: logOdds(evidence) }
}

/** Peers that do well with others than the candidate: only these can tell that it is not they who are bad. */
const hasGoodPeers = (open: Open, candidate: Candidate): boolean => {
  const own = new Set(openSamples(open, candidate))
  const good = new Set<string>()
  for (const side of candidate.sides) {
    for (const sample of side.samples) {
      const peer = side.direction === 'tx' ? sample.destination : sample.source
      if (good.has(peer)) continue
      const { tx, rx } = open.ends.get(peer)!
      const others = (side.direction === 'tx' ? rx : tx).samples.filter(
        (other) => isOpen(open, other) && !own.has(other),
      )
      if (others.length > 2 * others.filter(isBad).length) good.add(peer)
      if (good.size >= MIN_GOOD_PEERS) return true
    }
  }
  return false
}

/** An uplink is to blame only when several of the rack's nodes suffer, and not among themselves. */
const looksLikeUplink = (open: Open, { name, sides }: Candidate): boolean => {
  const suffering = new Set(
    sides.flatMap(({ direction, samples }) =>
      samples
        .filter((sample) => isBad(sample) && isOpen(open, sample))
        .map(({ source, destination }) => (direction === 'tx' ? source : destination)),
    ),
  )
  const inside = (open.insideRack.get(name) ?? []).filter((sample) => isOpen(open, sample))
  if (inside.length === 0) return suffering.size >= MIN_GOOD_PEERS
  return suffering.size >= 2 && inside.filter(isBad).length <= (1 - MIN_BAD_SHARE) * inside.length
}

const isSupported = (open: Open, { candidate, odds }: Assessed, thresholds: Thresholds): boolean =>
  confidenceOf(odds) >= thresholds.minConfidence &&
  hasGoodPeers(open, candidate) &&
  (candidate.kind === 'end' || looksLikeUplink(open, candidate))

const toCulprit = (open: Open, { candidate, odds }: Assessed): Culprit => {
  const samples = openSamples(open, candidate)
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

const DIRECTIONS: readonly Direction[] = ['both', 'tx', 'rx']

/** Equal evidence is decided by direction and name, so that the order of the results changes nothing. */
const stronger = (one: Assessed, other: Assessed): number =>
  other.odds - one.odds ||
  DIRECTIONS.indexOf(one.candidate.direction) - DIRECTIONS.indexOf(other.candidate.direction) ||
  (one.candidate.name < other.candidate.name ? -1 : 1)

/** The best candidate that is supported. The best of all nearly always is, so only otherwise they are put in order. */
const strongest = (
  open: Open,
  suspects: ReadonlySet<Candidate>,
  candidateCount: number,
  thresholds: Thresholds,
): Assessed | undefined => {
  let best: Assessed | undefined
  for (const candidate of suspects) {
    const assessed = assess(open, candidate, candidateCount)
    if (assessed && (!best || stronger(assessed, best) < 0)) best = assessed
  }
  if (!best || isSupported(open, best, thresholds)) return best
  return [...suspects]
    .flatMap((candidate) => assess(open, candidate, candidateCount) ?? [])
    .sort(stronger)
    .find((assessed) => isSupported(open, assessed, thresholds))
}

/**
 * Explains the bad pairs of a fabric greedily: the candidate with the best odds first; its pairs are then explained
 * and count neither for nor against anyone else. `rest` are the pairs that no culprit explains.
 */
export const findCulprits = (
  samples: readonly Sample[],
  rackOf: ReadonlyMap<string, string>,
  thresholds: Thresholds,
): { culprits: Culprit[]; rest: Sample[] } => {
  const open = openUp(samples, rackOf)
  const candidates = candidatesOf(open)
  const suspects = createSuspects(open, candidates, thresholds)
  const culprits: Culprit[] = []
  for (;;) {
    const next = strongest(open, suspects(), candidates.length, thresholds)
    if (!next) return { culprits, rest: samples.filter((sample) => isOpen(open, sample)) }
    const culprit = toCulprit(open, next)
    culprits.push(culprit)
    explain(open, [...culprit.pairsFor, ...culprit.pairsAgainst])
  }
}
