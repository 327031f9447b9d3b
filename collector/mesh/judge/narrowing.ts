import { CulpritKind, type Verdict } from '#proto/meshgauge/collector/v1/result.ts'
import { pairKey, verdictKey } from './recovering-verdicts.ts'

/** A fault is over on some paths before it is on others, but not by so much. */
const HOLD_MS = 5_000

/** Whether all that the one blames is blamed by the other, broader one. */
const isPartOf = (verdict: Verdict, broad: Verdict): boolean => {
  const isSame = [verdict.node, verdict.peer].includes(broad.node)
  if (broad.kind === CulpritKind.CULPRIT_KIND_NODE) return isSame
  if (broad.kind === CulpritKind.CULPRIT_KIND_INTERFACE) {
    return isSame && verdict.interface === broad.interface
  }
  const pairs = new Set(broad.pairsFor.map(pairKey))
  return verdict.pairsFor.length > 0 && verdict.pairsFor.every((pair) => pairs.has(pairKey(pair)))
}

/**
 * At the end of a fault, for some seconds, what is left of it looks like a smaller one: an interface of the node that
 * was down, a link of the rack that was cut off. Until that has lasted for a while, what was said stays.
 */
export const createNarrowing = () => {
  /** By verdict: since when only a part of it is found. */
  const since = new Map<string, number>()
  return (found: readonly Verdict[], before: readonly Verdict[], nowMs: number): Verdict[] => {
    const [known, still] = [before, found].map((verdicts) => new Set(verdicts.map(verdictKey))) as [
      Set<string>,
      Set<string>,
    ]
    let result = [...found]
    const narrowed = new Set<string>()
    for (const broad of before) {
      const key = verdictKey(broad)
      if (still.has(key)) continue
      const parts = result.filter((verdict) => !known.has(verdictKey(verdict)) && isPartOf(verdict, broad))
      if (parts.length === 0) continue
      narrowed.add(key)
      if (!since.has(key)) since.set(key, nowMs)
      if (nowMs - since.get(key)! >= HOLD_MS) continue
      result = [...result.filter((verdict) => !parts.includes(verdict)), broad]
    }
    for (const key of since.keys()) if (!narrowed.has(key)) since.delete(key)
    return result.sort((one, other) => other.confidence - one.confidence)
  }
}
