import { confidenceOf, logOdds, shareOf } from './posterior.ts'
import type { Sample } from './samples.ts'
import { anyLoss, wilsonLower } from './statistics.ts'
import type { Thresholds } from './thresholds.ts'

export type Direction = 'tx' | 'rx' | 'both'

/** Who is to blame within one fabric, and the pairs that speak for and against it. */
export type Culprit = {
  readonly kind: 'end' | 'rack'
  /** The node or the rack. */
  readonly name: string
  readonly direction: Direction
  readonly confidence: number
  readonly pairsFor: Sample[]
  readonly pairsAgainst: Sample[]
}

/** A blame on a node needs so many peers that do well otherwise: a ring alone never accuses. */
const MIN_GOOD_PEERS = 3

/** At least this share of a culprit's own pairs is bad. */
const MIN_BAD_SHARE = 0.75

/** A bad pair of a culprit is bad this often; the rest is left to what nobody thought of. */
const MOSTLY = 0.95

/** A side of something: the pairs that a node or a rack sends, or receives. */
type Side = {
  readonly kind: 'end' | 'rack'
  readonly name: string
  readonly direction: 'tx' | 'rx'
  readonly samples: Sample[]
}

type Candidate = { readonly sides: readonly Side[]; readonly direction: Direction }

/** What is still unexplained in a fabric. */
type Open = {
  readonly samples: Set<Sample>
  readonly ends: Map<string, { tx: Side; rx: Side }>
  readonly racks: Map<string, { tx: Side; rx: Side }>
  readonly insideRack: Map<string, Sample[]>
  badCount: number
}

const sidesOf = (sides: Map<string, { tx: Side; rx: Side }>, kind: Side['kind'], name: string) => {
  let found = sides.get(name)
  if (!found) {
    const side = (direction: 'tx' | 'rx'): Side => ({ kind, name, direction, samples: [] })
    sides.set(name, (found = { tx: side('tx'), rx: side('rx') }))
  }
  return found
}

const openUp = (samples: readonly Sample[], racks: ReadonlyMap<string, string>): Open => {
  const open: Open = {
    samples: new Set(samples),
    ends: new Map(),
    racks: new Map(),
    insideRack: new Map(),
    badCount: samples.filter(({ fault }) => fault).length,
  }
  for (const sample of samples) {
    sidesOf(open.ends, 'end', sample.source).tx.samples.push(sample)
    sidesOf(open.ends, 'end', sample.destination).rx.samples.push(sample)
    const rack = racks.get(sample.source)
    if (sample.reach === 'across') {
      sidesOf(open.racks, 'rack', rack!).tx.samples.push(sample)
      sidesOf(open.racks, 'rack', racks.get(sample.destination)!).rx.samples.push(sample)
    } else if (sample.reach === 'inside') {
      const inside = open.insideRack.get(rack!)
      if (inside) inside.push(sample)
      else open.insideRack.set(rack!, [sample])
    }
  }
  return open
}

const isBad = ({ fault }: Sample): boolean => fault !== undefined

const badCount = (samples: readonly Sample[]): number => samples.reduce((sum, { fault }) => sum + (fault ? 1 : 0), 0)

const unexplained = (open: Open, { sides }: Candidate): Sample[] =>
  sides.flatMap(({ samples }) => samples.filter((sample) => open.samples.has(sample)))

/**
 * How often a pair of a culprit would be bad. A node that loses one probe in ten spoils not every pair of ten
 * probes: then it is the chance that a pair loses any, at the loss of all its pairs together.
 */
const badWhenFaulty = (samples: readonly Sample[], thresholds: Thresholds): number => {
  const sent = samples.reduce((sum, { sentCount }) => sum + sentCount, 0)
  const lost = samples.reduce((sum, { lostCount }) => sum + lostCount, 0)
  const onlyLoss = samples.every(({ fault }) => fault === undefined || fault === 'lossy')
  if (!onlyLoss || wilsonLower(lost, sent) <= thresholds.lossRatio) return MOSTLY
  return Math.min(MOSTLY, anyLoss(lost / sent, sent / samples.length))
}

/** Peers that do well with others than the candidate: only these can tell that it is not they who are bad. */
const goodPeers = (open: Open, { sides }: Candidate, samples: readonly Sample[]): number => {
  const own = new Set(samples)
  const peers = new Set<string>()
  for (const { kind, name, direction } of sides) {
    for (const sample of samples) {
      const isSource = kind === 'rack' ? direction === 'tx' : sample.source === name
      if (isSource !== (direction === 'tx')) continue
      const peer = isSource ? sample.destination : sample.source
      if (peers.has(peer)) continue
      const others = open.ends.get(peer)![isSource ? 'rx' : 'tx'].samples.filter(
        (other) => open.samples.has(other) && !own.has(other),
      )
      if (others.length > 2 * badCount(others)) peers.add(peer)
    }
  }
  return peers.size
}

/** An uplink is to blame only when several of the rack's nodes suffer, and not among themselves. */
const looksLikeUplink = (open: Open, { sides }: Candidate, samples: readonly Sample[]): boolean => {
  const { name, direction } = sides[0]!
  const nodes = new Set(
    samples.filter(isBad).map(({ source, destination }) => (direction === 'tx' ? source : destination)),
  )
  const inside = (open.insideRack.get(name) ?? []).filter((sample) => open.samples.has(sample))
  if (inside.length === 0) return nodes.size >= MIN_GOOD_PEERS
  return nodes.size >= 2 && badCount(inside) <= (1 - MIN_BAD_SHARE) * inside.length
}

type Assessed = { readonly candidate: Candidate; readonly samples: Sample[]; readonly odds: number }

const assess = (
  open: Open,
  candidate: Candidate,
  candidateCount: number,
  thresholds: Thresholds,
): Assessed | undefined => {
  const samples = unexplained(open, candidate)
  const bad = badCount(samples)
  if (samples.length < MIN_GOOD_PEERS || bad < MIN_GOOD_PEERS) return undefined
  const whenFaulty = badWhenFaulty(samples, thresholds)
  if (bad < MIN_BAD_SHARE * Math.min(1, whenFaulty / MOSTLY) * samples.length) return undefined
  const whenWell = shareOf(open.badCount - bad, open.samples.size - samples.length)
  if (whenWell >= whenFaulty) return undefined
  const evidence = { badCount: bad, goodCount: samples.length - bad, whenFaulty, whenWell, candidateCount }
  return { candidate, samples, odds: logOdds(evidence) }
}

const candidatesOf = (open: Open): Candidate[] =>
  [...open.ends.values(), ...open.racks.values()].flatMap(({ tx, rx }): Candidate[] => [
    { sides: [tx, rx], direction: 'both' },
    { sides: [tx], direction: 'tx' },
    { sides: [rx], direction: 'rx' },
  ])

const isSupported = (open: Open, { candidate, samples, odds }: Assessed, thresholds: Thresholds): boolean =>
  confidenceOf(odds) >= thresholds.minConfidence &&
  goodPeers(open, candidate, samples) >= MIN_GOOD_PEERS &&
  (candidate.sides[0]!.kind === 'end' || looksLikeUplink(open, candidate, samples))

const toCulprit = ({ candidate, samples, odds }: Assessed): Culprit => ({
  kind: candidate.sides[0]!.kind,
  name: candidate.sides[0]!.name,
  direction: candidate.direction,
  confidence: confidenceOf(odds),
  pairsFor: samples.filter(isBad),
  pairsAgainst: samples.filter((sample) => !isBad(sample)),
})

/** Equal evidence is decided by name, so that the order of the results changes nothing. */
const stronger = (one: Assessed, other: Assessed): number =>
  other.odds - one.odds ||
  one.candidate.sides[0]!.name.localeCompare(other.candidate.sides[0]!.name) ||
  one.candidate.direction.localeCompare(other.candidate.direction)

/**
 * Explains the bad pairs of a fabric greedily: the candidate with the best odds first; its pairs are then explained
 * and count neither for nor against anyone else. Returns the culprits and the bad pairs that none explains.
 */
export const findCulprits = (
  samples: readonly Sample[],
  racks: ReadonlyMap<string, string>,
  thresholds: Thresholds,
): { culprits: Culprit[]; unexplained: Sample[]; good: Sample[] } => {
  const open = openUp(samples, racks)
  let candidates = candidatesOf(open)
  const candidateCount = candidates.length
  const culprits: Culprit[] = []
  while (open.badCount >= MIN_GOOD_PEERS) {
    const assessed = candidates
      .flatMap((candidate) => assess(open, candidate, candidateCount, thresholds) ?? [])
      .sort(stronger)
    const next = assessed.find((one) => isSupported(open, one, thresholds))
    if (!next) break
    culprits.push(toCulprit(next))
    for (const sample of next.samples) open.samples.delete(sample)
    open.badCount -= badCount(next.samples)
    // Explained pairs only ever weaken the rest, so who has too few bad pairs now is out for good.
    candidates = assessed.filter((one) => one !== next).map(({ candidate }) => candidate)
  }
  const rest = [...open.samples]
  return { culprits, unexplained: rest.filter(isBad), good: rest.filter((sample) => !isBad(sample)) }
}
