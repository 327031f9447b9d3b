import {
  CulpritKind,
  type EndpointPair,
  FaultDirection,
  type Verdict,
} from '#proto/meshgauge/collector/v1/result.ts'
import type { Culprit, Direction } from './culprits.ts'
import { MIN_GOOD_PEERS } from './culprits.ts'
import { type BadLink, isRetested } from './links.ts'
import { isBad, type Sample } from './samples.ts'
import { accuse, accuseLink, evidence, mainFault } from './wording.ts'

/** A culprit with the interface it was found on. */
export type Found = {
  readonly culprit: Culprit
  readonly interface: string
  /** All pairs of its fabric. */
  readonly fabric: readonly Sample[]
}

const DIRECTIONS: Record<Direction, FaultDirection> = {
  tx: FaultDirection.FAULT_DIRECTION_TX,
  rx: FaultDirection.FAULT_DIRECTION_RX,
  both: FaultDirection.FAULT_DIRECTION_BOTH,
}

export const toPair = ({ result: { source, destination } }: Sample): EndpointPair => ({ source, destination })

const retested = (pairsFor: readonly Sample[]): boolean =>
  pairsFor.filter(isRetested).length >= Math.min(MIN_GOOD_PEERS, pairsFor.length)

const blank = { node: '', interface: '', peer: '', rack: '' }

const proof = (pairsFor: readonly Sample[], pairsAgainst: readonly Sample[], text: string) => ({
  message: retested(pairsFor) ? `${text} Retested on new ports: the same.` : text,
  pairsFor: pairsFor.map(toPair),
  pairsAgainst: pairsAgainst.map(toPair),
  retested: retested(pairsFor),
})

const concerns = (sample: Sample, node: string): boolean =>
  sample.source === node || sample.destination === node

/** Pairs to compare with: the good ones of the fabric that the node is not in. */
const peersOf = ({ fabric, culprit }: Found): Sample[] =>
  fabric.filter((sample) => !isBad(sample) && !concerns(sample, culprit.name))

type Ends = Record<'source' | 'destination', Map<string, Sample[]>>
const ends = new WeakMap<readonly Sample[], Ends>()

/** The pairs of a fabric by their ends, found once: half of a thousand nodes may be to blame at once. */
const endsOf = (fabric: readonly Sample[]): Ends => {
  const known = ends.get(fabric) ?? {
    source: Map.groupBy(fabric, ({ source }) => source),
    destination: Map.groupBy(fabric, ({ destination }) => destination),
  }
  ends.set(fabric, known)
  return known
}

/** Pairs of a node the other way, for `what it receives is fine`. */
const otherWay = ({ culprit, fabric }: Found): Sample[] => {
  if (culprit.direction === 'both') return []
  const end = culprit.direction === 'tx' ? 'destination' : 'source'
  return endsOf(fabric)[end].get(culprit.name) ?? []
}

/** The verdict on one interface of a node. `fineElsewhere` names its interfaces without a fault. */
export const interfaceVerdict = (found: Found, fineElsewhere: readonly string[]): Verdict => {
  const { name, direction, confidence, pairsFor, pairsAgainst } = found.culprit
  const count = pairsFor.length + pairsAgainst.length
  const text =
    accuse(name, ` on ${found.interface}`, direction, found.culprit, () => peersOf(found)) +
    evidence(direction, pairsFor, count, otherWay(found), fineElsewhere)
  return {
    ...blank,
    kind: CulpritKind.CULPRIT_KIND_INTERFACE,
    node: name,
    interface: found.interface,
    direction: DIRECTIONS[direction],
    confidence,
    ...proof(pairsFor, pairsAgainst, text),
  }
}

/** One verdict for a node that is bad on all its interfaces. */
export const nodeVerdict = (all: readonly Found[]): Verdict => {
  const directions = new Set(all.map(({ culprit }) => culprit.direction))
  const direction = directions.size === 1 ? [...directions][0]! : 'both'
  const pairsFor = all.flatMap(({ culprit }) => culprit.pairsFor)
  const pairsAgainst = all.flatMap(({ culprit }) => culprit.pairsAgainst)
  const count = pairsFor.length + pairsAgainst.length
  const { name } = all[0]!.culprit
  const which = mainFault(pairsFor) === 'failed' ? 'any of' : 'all'
  const where = ` on ${which} its interfaces (${all.map((found) => found.interface).join(', ')})`
  const text =
    accuse(name, where, direction, { pairsFor, pairsAgainst }, () => all.flatMap(peersOf)) +
    evidence(direction, pairsFor, count, all.flatMap(otherWay), [])
  return {
    ...blank,
    kind: CulpritKind.CULPRIT_KIND_NODE,
    node: name,
    direction: DIRECTIONS[direction],
    confidence: Math.max(...all.map(({ culprit }) => culprit.confidence)),
    ...proof(pairsFor, pairsAgainst, text),
  }
}

const TO_OTHER_RACKS: Record<Direction, string> = {
  tx: 'to other racks',
  rx: 'from other racks',
  both: 'across racks',
}

/** With only two racks the far end explains the same pairs as well. */
const ambiguity = (rack: string, own: ReadonlySet<Sample>, rackOf: ReadonlyMap<string, string>): string[] => {
  const ends = new Set(
    [...own].flatMap(({ source, destination }) => [rackOf.get(source), rackOf.get(destination)]),
  )
  ends.delete(rack)
  return ends.size === 1 ? [`With two racks only, it may as well be rack ${[...ends][0]}.`] : []
}

/** The verdict on what joins a rack to the others. */
export const rackVerdict = (
  { culprit, fabric, interface: name }: Found,
  rackOf: ReadonlyMap<string, string>,
): Verdict => {
  const { direction, confidence, pairsFor, pairsAgainst } = culprit
  const own = new Set([...pairsFor, ...pairsAgainst])
  const peers = fabric.filter((sample) => !isBad(sample) && sample.reach === 'across' && !own.has(sample))
  const others = peers.length > 0 ? peers : fabric.filter((sample) => !isBad(sample))
  const count = own.size
  const where = ` ${TO_OTHER_RACKS[direction]} on ${name}`
  const text = [
    accuse(`Rack ${culprit.name}`, where, direction, culprit, () => others),
    `${pairsFor.length} of ${count} pairs across its uplink agree; pairs inside of it are not affected.`,
    ...ambiguity(culprit.name, own, rackOf),
  ].join(' ')
  return {
    ...blank,
    kind: CulpritKind.CULPRIT_KIND_RACK_UPLINK,
    interface: name,
    rack: culprit.name,
    direction: DIRECTIONS[direction],
    confidence,
    ...proof(pairsFor, pairsAgainst, text),
  }
}

/** The verdict on the path between two nodes. A ping cannot tell the way there from the way back. */
export const linkVerdict = (link: BadLink, name: string, fabric: readonly Sample[]): Verdict => {
  const { source, destination, confidence, pairsFor, pairsAgainst } = link
  const peers = fabric.filter((sample) => !isBad(sample))
  const bothWays = pairsFor.length > 1
  const isPing = pairsFor[0]!.result.values?.$case === 'ping'
  const text = accuseLink(source, destination, bothWays, ` on ${name}`, pairsFor, peers)
  return {
    ...blank,
    kind: CulpritKind.CULPRIT_KIND_LINK,
    node: source,
    peer: destination,
    interface: name,
    direction: DIRECTIONS[bothWays || isPing ? 'both' : 'tx'],
    confidence,
    ...proof(pairsFor, pairsAgainst, text),
  }
}
