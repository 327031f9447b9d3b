import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import { formatRatio } from '../../../lib/units.ts'
import { createVerdict, type Verdict } from '../../diagnosis/verdict.ts'
import type { EndpointPair } from '../../dispatch/pair-result.ts'
import { interfaceKey, type NodeInterface } from '../../inventory/keys.ts'
import type { LossyInterface } from '../state/interface-state.ts'
import { evidenceOf } from '../state/path-state.ts'
import type { MeasuredPath, MeshPath } from '../state/paths.ts'
import { poissonTail } from '../state/pooled-loss.ts'
import { endpointPairKey } from './recovering-verdicts.ts'

/** Returns the loss of an interface with the time that it covers; undefined without a figure. */
type MeshLossWords = { ofInterface: (end: NodeInterface) => string | undefined }

/** Maximum number of pairs that a verdict lists. Its text states the total. */
export const MAX_PAIRS = 50
/** Pooled loss finds a wrong interface in at most one of 1,000 evaluations of a fabric. */
const LOSSY_CONFIDENCE = 0.99
/** A link is an additional culprit if the loss of its lossy interface explains it with less than this probability. */
const SEPARATE_CHANCE = 1e-3

/** Returns the pair that a path measures. */
export const pairOf = ({ source, destination }: MeshPath): EndpointPair => ({ source, destination })

/**
 * Returns whether no probe of a path is answered. A path stays DOWN until it was without loss for its hold time; one
 * that was answered and has lost probes again is not dead but lossy: its two losses in a row were chance.
 */
export const isDead = ({ path: { health }, state }: MeasuredPath): boolean =>
  state === PathState.PATH_STATE_DOWN && !(health.answeredMs !== 0 && health.lossMs > health.answeredMs)

/** A verdict on an interface that is lossy over all its paths, while none of them shows it alone. */
const lossyVerdict = (
  lossy: LossyInterface,
  losing: readonly MeasuredPath[],
  words: MeshLossWords,
): Verdict => {
  const { node, interface: name, lostCount, sentCount, peerCount } = lossy
  const since = words.ofInterface({ node, interface: name })
  return createVerdict({
    kind: 'interface',
    node,
    interface: name,
    direction: 'both',
    confidence: LOSSY_CONFIDENCE,
    message:
      lostCount === 0
        ? `${node} loses probes on ${name}. The loss was found before the collector was restarted.`
        : `${node} loses packets on ${name}: ${since ?? `${formatRatio(lostCount / Math.max(1, sentCount))} of its probes in ${lossy.seconds} s`}, with ${peerCount} peers.`,
    pairsFor: losing.slice(0, MAX_PAIRS).map(({ path }) => pairOf(path)),
    pairCount: losing.length,
  })
}

/** Returns the paths with loss by the interfaces at their ends, at most MAX_PAIRS each. */
const losingByInterface = (measured: Iterable<MeasuredPath>): Map<string, MeasuredPath[]> => {
  const byInterface = new Map<string, MeasuredPath[]>()
  for (const each of measured) {
    if (evidenceOf(each.path.health).lostCount === 0) continue
    for (const end of [each.path.source, each.path.destination]) {
      const key = interfaceKey({ node: end.node, interface: each.path.source.interface })
      const paths = byInterface.get(key)
      if (!paths) byInterface.set(key, [each])
      else if (paths.length < MAX_PAIRS) paths.push(each)
    }
  }
  return byInterface
}

/** Returns whether the loss ratio of a lossy interface explains a bad link from or to it. */
const isExplained = (
  verdict: Verdict,
  { node, interface: name, lostCount, sentCount }: LossyInterface,
  byPair: ReadonlyMap<string, MeasuredPath>,
): boolean => {
  if (verdict.kind !== 'link') return false
  const paths = verdict.pairsFor.flatMap((pair) => byPair.get(endpointPairKey(pair)) ?? [])
  let [lost, sent] = [0, 0]
  for (const each of paths) {
    const { source, destination } = each.path
    if (source.interface !== name || (source.node !== node && destination.node !== node)) return false
    if (isDead(each)) return false
    const counts = evidenceOf(each.path.health)
    lost += counts.lostCount
    sent += counts.sentCount
  }
  return poissonTail(lost, (sent * lostCount) / Math.max(1, sentCount)) >= SEPARATE_CHANCE
}

/** Returns the verdicts with one for each lossy interface that has none, and without links that these explain. */
export const withLossyInterfaces = (
  verdicts: readonly Verdict[],
  lossy: readonly LossyInterface[],
  byPair: ReadonlyMap<string, MeasuredPath>,
  words: MeshLossWords,
): Verdict[] => {
  if (lossy.length === 0) return [...verdicts]
  const byNode = Map.groupBy(lossy, ({ node }) => node)
  const lossyEndsOf = ({ node, peer }: Verdict) => [...(byNode.get(node) ?? []), ...(byNode.get(peer) ?? [])]
  const others = verdicts.filter(
    (verdict) => !lossyEndsOf(verdict).some((each) => isExplained(verdict, each, byPair)),
  )
  // A verdict on a whole node has no interface.
  const accused = new Set(others.filter(({ peer }) => peer === '').map(interfaceKey))
  const missing = lossy.filter(
    (each) =>
      !accused.has(interfaceKey({ node: each.node, interface: '' })) && !accused.has(interfaceKey(each)),
  )
  const losing = losingByInterface(byPair.values())
  return [
    ...others,
    ...missing.map((each) => lossyVerdict(each, losing.get(interfaceKey(each)) ?? [], words)),
  ]
}
