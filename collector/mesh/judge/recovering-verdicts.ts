import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Verdict } from '../../diagnosis/verdict.ts'
import type { EndpointPair } from '../../dispatch/pair-result.ts'
import { pathKey } from '../../inventory/keys.ts'
import type { MeasuredPath } from '../state/paths.ts'

/** A LOSSY path that lost nothing for this time is recovering. */
const RECOVERING_MS = 10_000
/** A new verdict needs at least this ratio of its pairs to be bad at this moment. */
const MIN_ACTIVE_RATIO = 0.25
/** How long a broad verdict is held when only a part of it is found. Paths of one fault recover within this time. */
const HOLD_MS = 5_000

const RECOVERING = ' It is recovering: its paths have stopped losing probes.'

/** Returns a key of the culprit. Two verdicts about the same culprit have the same key. */
export const verdictKey = ({ kind, node, interface: name, peer, rack }: Verdict): string =>
  [kind, node, name, peer, rack].join(' ')

/** Returns the path key of a pair. Both ends have interfaces of the same name. */
export const endpointPairKey = ({ source, destination }: EndpointPair): string =>
  pathKey({
    source: source?.node ?? '',
    destination: destination?.node ?? '',
    interface: source?.interface ?? '',
  })

/** Returns whether a path is bad at this moment. A path in DOWN or LOSSY may be recovering, in its hold time. */
const isActive = ({ path: { health }, state }: MeasuredPath, nowMs: number): boolean => {
  if (health.trailingLost > 0) return true
  if (state === PathState.PATH_STATE_DOWN) return health.answeredMs === 0 || health.lossMs > health.answeredMs
  return state !== PathState.PATH_STATE_LOSSY || nowMs - health.lossMs < RECOVERING_MS
}

/**
 * Returns a filter for verdicts at the end of a fault, when its paths leave DOWN and LOSSY at different moments. A known
 * verdict whose pairs all recover keeps its text; a new verdict on recovering pairs is dropped, because the last path
 * to recover would look like a bad link.
 */
export const createRecoveryFilter = (given: {
  /** The measured paths by their keys. */
  byPair: ReadonlyMap<string, MeasuredPath>
  previous: readonly Verdict[]
  nowMs: number
}) => {
  const known = new Map(given.previous.map((verdict) => [verdictKey(verdict), verdict]))
  const isActivePair = (pair: EndpointPair): boolean => {
    const measured = given.byPair.get(endpointPairKey(pair))
    return measured !== undefined && isActive(measured, given.nowMs)
  }
  return (verdict: Verdict): Verdict[] => {
    const previous = known.get(verdictKey(verdict))
    const activeCount = verdict.pairsFor.filter(isActivePair).length
    if (previous && activeCount === 0) {
      const message = previous.message.endsWith(RECOVERING) ? previous.message : previous.message + RECOVERING
      return [{ ...verdict, direction: previous.direction, message }]
    }
    return previous || activeCount >= MIN_ACTIVE_RATIO * verdict.pairsFor.length ? [verdict] : []
  }
}

/** Returns whether the broad verdict contains everything that the other one accuses. */
const isPartOf = (verdict: Verdict, broad: Verdict): boolean => {
  const isSameNode = [verdict.node, verdict.peer].includes(broad.node)
  if (broad.kind === 'node') return isSameNode
  if (broad.kind === 'interface') {
    return isSameNode && verdict.interface === broad.interface
  }
  const pairs = new Set(broad.pairsFor.map(endpointPairKey))
  return verdict.pairsFor.length > 0 && verdict.pairsFor.every((pair) => pairs.has(endpointPairKey(pair)))
}

/**
 * Returns a function that holds broad verdicts for HOLD_MS. While a fault ends, its remaining paths look like a smaller
 * one: an interface of the node that was down, or a link of the rack that was cut off.
 */
export const createBroadVerdictHold = () => {
  /** By verdict, since when only a part of it is found. */
  const narrowedMs = new Map<string, number>()
  return (found: readonly Verdict[], previous: readonly Verdict[], nowMs: number): Verdict[] => {
    const previousKeys = new Set(previous.map(verdictKey))
    const foundKeys = new Set(found.map(verdictKey))
    let result = [...found]
    const narrowed = new Set<string>()
    for (const broad of previous) {
      const key = verdictKey(broad)
      if (foundKeys.has(key)) continue
      const parts = result.filter(
        (verdict) => !previousKeys.has(verdictKey(verdict)) && isPartOf(verdict, broad),
      )
      if (parts.length === 0) continue
      narrowed.add(key)
      if (!narrowedMs.has(key)) narrowedMs.set(key, nowMs)
      if (nowMs - narrowedMs.get(key)! >= HOLD_MS) continue
      result = [...result.filter((verdict) => !parts.includes(verdict)), broad]
    }
    for (const key of narrowedMs.keys()) if (!narrowed.has(key)) narrowedMs.delete(key)
    return result.sort((one, other) => other.confidence - one.confidence)
  }
}
