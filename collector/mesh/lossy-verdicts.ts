import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import {
  CulpritKind,
  type EndpointPair,
  FaultDirection,
  type Verdict,
} from '#proto/meshgauge/collector/v1/result.ts'
import type { LossyInterface } from './interface-state.ts'
import { pairKey } from './leftovers.ts'
import { evidenceOf } from './path-state.ts'
import type { Measured, MeshPath } from './paths.ts'
import { poissonTail } from './pooled-loss.ts'

/** A verdict's list of pairs is for reading; the rest is counted in its text. */
export const MAX_PAIRS = 50
/** One in 1,000 judgements of a fabric would blame an interface wrongly. */
const LOSSY_CONFIDENCE = 0.99
/** A path that loses more than its interface explains, by chance less often than this, is a matter of its own. */
const OWN_MATTER_CHANCE = 1e-3

export const blank = { node: '', interface: '', peer: '', rack: '', pairsAgainst: [], retested: false }

export const pairOf = ({ source, destination }: MeshPath): EndpointPair => ({ source, destination })

/**
 * A path that is DOWN is called so until it was clean for a while. One that has answered since and lost again is not
 * dead: it loses much, and two lost probes in a row were chance.
 */
export const isDead = ({ path: { health }, state }: Measured): boolean =>
  state === PathState.PATH_STATE_DOWN && !(health.answeredMs !== 0 && health.lossMs > health.answeredMs)

/** An interface whose paths together lose what none of them shows by itself. */
const lossyVerdict = (end: LossyInterface, measured: readonly Measured[]): Verdict => {
  const { node, interface: name, lostCount, sentCount, peerCount } = end
  const isOwn = ({ source, destination }: MeshPath) =>
    source.interface === name && (source.node === node || destination.node === node)
  const losing = measured.filter(({ path }) => isOwn(path) && evidenceOf(path.health).lostCount > 0)
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

export const blames = (verdict: Verdict, node: string, name: string): boolean =>
  verdict.node === node && verdict.peer === '' && (verdict.interface === '' || verdict.interface === name)

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
  const others = verdicts.filter((verdict) => !lossy.some((end) => isPartOf(verdict, end, byPair)))
  const unnamed = lossy.filter((end) => !others.some((verdict) => blames(verdict, end.node, end.interface)))
  const measured = [...byPair.values()]
  return [...others, ...unnamed.map((end) => lossyVerdict(end, measured))]
}
