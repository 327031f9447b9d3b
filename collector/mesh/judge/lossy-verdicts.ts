import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import {
  CulpritKind,
  type EndpointPair,
  FaultDirection,
  type Verdict,
} from '#proto/meshgauge/collector/v1/result.ts'
import type { LossyInterface } from '../state/interface-state.ts'
import { evidenceOf } from '../state/path-state.ts'
import type { Measured, MeshPath } from '../state/paths.ts'
import { poissonTail } from '../state/pooled-loss.ts'
import { pairKey } from './recovering-verdicts.ts'

/** A verdict's list of pairs is for reading; the rest is counted in its text. */
export const MAX_PAIRS = 50
/** One in 1,000 judgements of a fabric would blame an interface wrongly. */
const LOSSY_CONFIDENCE = 0.99
/** A path that loses more than its interface explains, by chance less often than this, is a matter of its own. */
const OWN_MATTER_CHANCE = 1e-3

const endKey = (node: string, name: string): string => `${node} ${name}`

export const blank = { node: '', interface: '', peer: '', rack: '', pairsAgainst: [], retested: false }

export const pairOf = ({ source, destination }: MeshPath): EndpointPair => ({ source, destination })

/**
 * A path that is DOWN is called so until it was clean for a while. One that has answered since and lost again is not
 * dead: it loses much, and two lost probes in a row were chance.
 */
export const isDead = ({ path: { health }, state }: Measured): boolean =>
  state === PathState.PATH_STATE_DOWN && !(health.answeredMs !== 0 && health.lossMs > health.answeredMs)

/** An interface whose paths together lose what none of them shows by itself. */
const lossyVerdict = (end: LossyInterface, losing: readonly Measured[]): Verdict => {
  const { node, interface: name, lostCount, sentCount, peerCount } = end
  const percent = ((100 * lostCount) / Math.max(1, sentCount)).toPrecision(2)
  return {
    ...blank,
    kind: CulpritKind.CULPRIT_KIND_INTERFACE,
    node,
    interface: name,
    direction: FaultDirection.FAULT_DIRECTION_BOTH,
    confidence: LOSSY_CONFIDENCE,
    message:
      lostCount === 0
        ? `${node} loses probes on ${name}; it did so before the collector was restarted.`
        : `${node} loses ${percent} % of probes on ${name}. ${lostCount} of ${sentCount} from or to it were lost, with ${peerCount} peers.`,
    pairsFor: losing.slice(0, MAX_PAIRS).map(({ path }) => pairOf(path)),
  }
}

/** Paths that lose something, by their ends, as many as a verdict lists. */
const losingByEnd = (measured: Iterable<Measured>): Map<string, Measured[]> => {
  const byEnd = new Map<string, Measured[]>()
  for (const each of measured) {
    if (evidenceOf(each.path.health).lostCount === 0) continue
    const { source, destination } = each.path
    for (const node of [source.node, destination.node]) {
      const key = endKey(node, source.interface)
      const own = byEnd.get(key)
      if (!own) byEnd.set(key, [each])
      else if (own.length < MAX_PAIRS) own.push(each)
    }
  }
  return byEnd
}

/** A link that is bad because one of its ends is: what it loses is what that interface loses on all its paths. */
const isPartOf = (
  verdict: Verdict,
  { node, interface: name, lostCount, sentCount }: LossyInterface,
  byPair: ReadonlyMap<string, Measured>,
): boolean => {
  if (verdict.kind !== CulpritKind.CULPRIT_KIND_LINK) return false
  const paths = verdict.pairsFor.flatMap((pair) => byPair.get(pairKey(pair)) ?? [])
  let [lost, sent] = [0, 0]
  for (const each of paths) {
    const { source, destination } = each.path
    if (source.interface !== name || (source.node !== node && destination.node !== node)) return false
    if (isDead(each)) return false
    const counts = evidenceOf(each.path.health)
    lost += counts.lostCount
    sent += counts.sentCount
  }
  return poissonTail(lost, (sent * lostCount) / Math.max(1, sentCount)) >= OWN_MATTER_CHANCE
}

/** Adds the interfaces that lose by all their paths together, and takes away what is no more than a part of that. */
export const withLossy = (
  verdicts: readonly Verdict[],
  lossy: readonly LossyInterface[],
  byPair: ReadonlyMap<string, Measured>,
): Verdict[] => {
  if (lossy.length === 0) return [...verdicts]
  const ofNode = Map.groupBy(lossy, ({ node }) => node)
  // A link is part of what one of its own ends loses.
  const endsOf = ({ node, peer }: Verdict) => [...(ofNode.get(node) ?? []), ...(ofNode.get(peer) ?? [])]
  const others = verdicts.filter((verdict) => !endsOf(verdict).some((end) => isPartOf(verdict, end, byPair)))
  // A verdict on a whole node has no interface.
  const blamed = new Set(
    others.filter(({ peer }) => peer === '').map(({ node, interface: name }) => endKey(node, name)),
  )
  const unnamed = lossy.filter(
    ({ node, interface: name }) => !blamed.has(endKey(node, '')) && !blamed.has(endKey(node, name)),
  )
  const losing = losingByEnd(byPair.values())
  return [
    ...others,
    ...unnamed.map((end) => lossyVerdict(end, losing.get(endKey(end.node, end.interface)) ?? [])),
  ]
}
