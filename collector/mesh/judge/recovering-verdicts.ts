import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { EndpointPair, Verdict } from '#proto/meshgauge/collector/v1/result.ts'
import type { Measured } from '../state/paths.ts'

/** A path that lost nothing for so long is recovering. */
const RECENT_MS = 10_000
/** A new verdict needs so much of its pairs to be bad at this moment. */
const LEAST_ACTIVE_SHARE = 0.25

const isActive = ({ path: { health }, state }: Measured, nowMs: number): boolean => {
  if (health.trailingLost > 0) return true
  if (state === PathState.PATH_STATE_DOWN) return health.answeredMs === 0 || health.lossMs > health.answeredMs
  return state !== PathState.PATH_STATE_LOSSY || nowMs - health.lossMs < RECENT_MS
}

/** Two verdicts about the same culprit have the same. */
export const verdictKey = ({ kind, node, interface: name, peer, rack }: Verdict): string =>
  [kind, node, name, peer, rack].join(' ')
/** A pair by the names of its ends. */
export const pairKey = ({ source, destination }: EndpointPair): string =>
  [source?.node, destination?.node, source?.interface].join(' ')

const WATCHED = ' It has been well for some seconds, and is watched.'

/**
 * At the end of a fault its paths do not all become UP in the same moment. What is left of them keeps what was said,
 * but blames nobody anew: the last one would look like a bad link.
 */
export const createRecoveringVerdicts = (given: {
  measured: readonly Measured[]
  before: readonly Verdict[]
  nowMs: number
}) => {
  const known = new Map(given.before.map((verdict) => [verdictKey(verdict), verdict]))
  const active = new Set(
    given.measured
      .filter((each) => isActive(each, given.nowMs))
      .map(({ path }) => pairKey({ source: path.source, destination: path.destination })),
  )
  return (verdict: Verdict): Verdict[] => {
    const before = known.get(verdictKey(verdict))
    const bad = verdict.pairsFor.filter((pair) => active.has(pairKey(pair))).length
    if (before && bad === 0) {
      const message = before.message.endsWith(WATCHED) ? before.message : before.message + WATCHED
      return [{ ...verdict, direction: before.direction, message }]
    }
    return before || bad >= LEAST_ACTIVE_SHARE * verdict.pairsFor.length ? [verdict] : []
  }
}
