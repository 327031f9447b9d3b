import type { EndpointPair } from '../dispatch/pair-result.ts'
import type { Culprit } from './culprits.ts'
import type { BadLink } from './links.ts'
import { isBad, isRetested, type Sample } from './samples.ts'
import { defaultHeuristics } from './thresholds.ts'
import { createVerdict, type FaultDirection, MAX_LISTED_PAIRS, type Verdict } from './verdict.ts'
import { accuse, accuseLink, evidence, type LossWords, mainFault } from './wording.ts'

/** All pairs of one fabric, grouped once: with 500 culprits, a search for each would be too slow. */
export type Fabric = {
  readonly samples: readonly Sample[]
  readonly bySource: ReadonlyMap<string, readonly Sample[]>
  readonly byDestination: ReadonlyMap<string, readonly Sample[]>
  readonly lossWords: LossWords | undefined
}

export const toFabric = (samples: readonly Sample[], lossWords?: LossWords): Fabric => ({
  lossWords,
  samples,
  bySource: Map.groupBy(samples, ({ source }) => source),
  byDestination: Map.groupBy(samples, ({ destination }) => destination),
})

/** A culprit with the interface on which it was found. */
export type Found = {
  readonly culprit: Culprit
  readonly interface: string
  readonly fabric: Fabric
}

export const toPair = ({ result: { source, destination } }: Sample): EndpointPair => ({ source, destination })

const retested = (pairsFor: readonly Sample[]): boolean =>
  pairsFor.filter(isRetested).length >= Math.min(defaultHeuristics.minGoodPeers, pairsFor.length)

export const proof = (pairsFor: readonly Sample[], pairsAgainst: readonly Sample[], text: string) => ({
  message: retested(pairsFor) ? `${text} Retested on new ports: the same.` : text,
  pairsFor: pairsFor.slice(0, MAX_LISTED_PAIRS).map(toPair),
  pairCount: pairsFor.length,
  pairsAgainst: pairsAgainst.slice(0, MAX_LISTED_PAIRS).map(toPair),
  retested: retested(pairsFor),
})

const concerns = (sample: Sample, node: string): boolean =>
  sample.source === node || sample.destination === node

/** Returns the good pairs of the fabric without the node, to compare with. */
const peersOf = ({ fabric, culprit }: Found): Sample[] =>
  fabric.samples.filter((sample) => !isBad(sample) && !concerns(sample, culprit.name))

/** Returns the node's pairs in the other direction, for `what it receives is fine`. */
const otherWay = ({ culprit, fabric }: Found): readonly Sample[] => {
  if (culprit.direction === 'both') return []
  return (culprit.direction === 'tx' ? fabric.byDestination : fabric.bySource).get(culprit.name) ?? []
}

/** Returns the verdict about one interface of a node. `fineElsewhere` names its interfaces without a fault. */
export const interfaceVerdict = (found: Found, fineElsewhere: readonly string[]): Verdict => {
  const { name, direction, confidence, pairsFor, pairsAgainst } = found.culprit
  const count = pairsFor.length + pairsAgainst.length
  const text =
    accuse(name, ` on ${found.interface}`, direction, found.culprit, () => peersOf(found), found.fabric) +
    evidence(direction, pairsFor, count, otherWay(found), fineElsewhere)
  return createVerdict({
    kind: 'interface',
    node: name,
    interface: found.interface,
    direction,
    confidence,
    ...proof(pairsFor, pairsAgainst, text),
  })
}

/** Returns the verdict about a node that is bad on all its interfaces. */
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
    accuse(name, where, direction, { pairsFor, pairsAgainst }, () => all.flatMap(peersOf), all[0]!.fabric) +
    evidence(direction, pairsFor, count, all.flatMap(otherWay), [])
  return createVerdict({
    kind: 'node',
    node: name,
    direction,
    confidence: Math.max(...all.map(({ culprit }) => culprit.confidence)),
    ...proof(pairsFor, pairsAgainst, text),
  })
}

const TO_OTHER_RACKS: Record<FaultDirection, string> = {
  tx: 'to other racks',
  rx: 'from other racks',
  both: 'across racks',
}

/** With only two racks, the uplink of the other rack explains the same pairs. */
const ambiguity = (rack: string, own: ReadonlySet<Sample>, rackOf: ReadonlyMap<string, string>): string[] => {
  const racks = new Set(
    [...own].flatMap(({ source, destination }) => [rackOf.get(source), rackOf.get(destination)]),
  )
  racks.delete(rack)
  return racks.size === 1 ? [`With two racks only, it may as well be rack ${[...racks][0]}.`] : []
}

/** Returns the verdict about the uplink of a rack. */
export const rackVerdict = (
  { culprit, fabric, interface: name }: Found,
  rackOf: ReadonlyMap<string, string>,
): Verdict => {
  const { direction, confidence, pairsFor, pairsAgainst } = culprit
  const own = new Set([...pairsFor, ...pairsAgainst])
  const peers = fabric.samples.filter(
    (sample) => !isBad(sample) && sample.reach === 'across' && !own.has(sample),
  )
  const others = peers.length > 0 ? peers : fabric.samples.filter((sample) => !isBad(sample))
  const whoElse = peers.length > 0 ? 'its peers' : 'pairs inside racks'
  const count = own.size
  const where = ` ${TO_OTHER_RACKS[direction]} on ${name}`
  const text = [
    accuse(`Rack ${culprit.name}`, where, direction, culprit, () => others, {
      whoElse,
      lossWords: fabric.lossWords,
    }),
    `${pairsFor.length} of ${count} pairs across its uplink agree; pairs inside of it are not affected.`,
    ...ambiguity(culprit.name, own, rackOf),
  ].join(' ')
  return createVerdict({
    kind: 'rack_uplink',
    interface: name,
    rack: culprit.name,
    direction,
    confidence,
    ...proof(pairsFor, pairsAgainst, text),
  })
}

/** Returns the verdict about the path between two nodes. A ping does not distinguish its two directions. */
export const linkVerdict = (link: BadLink, name: string, fabric: Fabric): Verdict => {
  const { source, destination, confidence, pairsFor, pairsAgainst } = link
  const peers = fabric.samples.filter((sample) => !isBad(sample))
  const bothWays = pairsFor.length > 1
  const isPing = pairsFor[0]!.result.values?.kind === 'ping'
  const text = accuseLink(source, destination, bothWays, ` on ${name}`, pairsFor, peers, fabric.lossWords)
  return createVerdict({
    kind: 'link',
    node: source,
    peer: destination,
    interface: name,
    direction: bothWays || isPing ? 'both' : 'tx',
    confidence,
    ...proof(pairsFor, pairsAgainst, text),
  })
}
