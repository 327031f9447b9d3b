import { PingStatistics } from '#proto/meshgauge/agent/v1/ping.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import {
  CulpritKind,
  type Endpoint,
  FaultDirection,
  PairResult,
  type Verdict,
} from '#proto/meshgauge/collector/v1/result.ts'
import { toDuration } from '../../../lib/protobuf-time.ts'
import { diagnose } from '../../diagnosis/diagnosis.ts'
import { median } from '../../diagnosis/statistics.ts'
import { defaultThresholds } from '../../diagnosis/thresholds.ts'
import type { LossyInterface } from '../state/interface-state.ts'
import { evidenceOf } from '../state/path-state.ts'
import type { Measured, MeshPath, Paths } from '../state/paths.ts'
import { blank, isDead, MAX_PAIRS, pairOf, withLossy } from './lossy-verdicts.ts'
import { createRecoveringVerdicts, pairKey } from './recovering-verdicts.ts'

/**
 * Each probe takes a turn of its own, so a bad path was tried many times before anyone is blamed. One that is well was
 * tried once: more would say that it was bad and has recovered by chance, and then no link could be blamed.
 */
const ATTEMPTS = 3
/** Nothing contradicts it: nobody hears from the node, and nobody reaches it. */
const DOWN_CONFIDENCE = 0.99
const countsOf = ({ path: { health }, state }: Measured) => {
  // Lost probes that wait for an answer are evidence of a path that is bad already.
  const waiting = state === PathState.PATH_STATE_DOWN ? health.trailingLost : 0
  const { sentCount, lostCount } = evidenceOf(health)
  return { sentCount: sentCount + waiting, lostCount: lostCount + waiting }
}

/**
 * What the diagnosis of runs reads, from the windows of about the last minute. A probe goes there and back, whoever
 * sends it: both paths of a pair measure the same, and which of them chance has hit harder is no direction. So each
 * gets half of what both have lost.
 */
const toResult = (
  measured: Measured,
  back: Measured | undefined,
  recent: Paths['recent'],
  nowMs: number,
): PairResult => {
  const { path, state, isLoaded } = measured
  const isDown = isDead(measured)
  const own = countsOf(measured)
  const other = back && !isDown && !isDead(back) ? countsOf(back) : own
  const [sentCount, lostCount] = [
    (own.sentCount + other.sentCount) / 2,
    (own.lostCount + other.lostCount) / 2,
  ]
  const sent = isDown ? Math.max(1, path.health.trailingLost) : sentCount
  const received = isDown ? 0 : sentCount - lostCount
  const mean = isDown || isLoaded ? undefined : recent.countsOf(path.row, nowMs).meanSeconds
  const time = toDuration(mean ?? 0)
  return {
    ...EMPTY_RESULT,
    source: path.source,
    destination: path.destination,
    outcome: isDown ? Outcome.OUTCOME_UNREACHABLE : Outcome.OUTCOME_MEASURED,
    reason: path.reason,
    values: {
      $case: 'ping',
      value: {
        ...EMPTY_STATISTICS,
        sentCount: sent,
        receivedCount: received,
        lossRatio: sent === 0 ? 0 : (sent - received) / sent,
        rtt:
          mean === undefined
            ? undefined
            : { min: time, avg: time, p50: time, p99: time, max: time, jitter: undefined },
      },
    },
    // One slow probe of a minute makes a mean late: a path that is only slow is no link to be blamed for it.
    attemptCount: state === PathState.PATH_STATE_UP ? 1 : ATTEMPTS,
  }
}

const EMPTY_RESULT = PairResult.fromPartial({})
const EMPTY_STATISTICS = PingStatistics.fromPartial({})

/**
 * A probe goes both ways. Who is well by what was told before the way back died says nothing of now: a node that is
 * gone has told nothing since, and what it sends is not fine.
 */
const isOfBefore = ({ path: { health }, state }: Measured, back: Measured | undefined): boolean =>
  state === PathState.PATH_STATE_UP &&
  back !== undefined &&
  isDead(back) &&
  health.lastEndMs < back.path.health.stateMs

/** A mesh probes on and on from one socket: it has not tried other ports, and does not say so. */
const tidy = (verdict: Verdict): Verdict => ({
  ...verdict,
  message: verdict.message.replace(' Retested on new ports: the same.', ''),
  retested: false,
  pairsFor: verdict.pairsFor.slice(0, MAX_PAIRS),
  pairsAgainst: verdict.pairsAgainst.slice(0, MAX_PAIRS),
})

/** Nodes that say nothing and that nobody reaches: one verdict each, whatever the number of paths. */
const downNodes = (measured: readonly Measured[], silent: ReadonlySet<string>): Map<string, Verdict> => {
  const verdicts = new Map<string, Verdict>()
  if (silent.size === 0) return verdicts
  const to = Map.groupBy(
    measured.filter(({ path }) => silent.has(path.destination.node)),
    ({ path }) => path.destination.node,
  )
  for (const [node, paths] of to) {
    if (!paths.every(({ state }) => state === PathState.PATH_STATE_DOWN)) continue
    const peers = new Set(paths.map(({ path }) => path.source.node)).size
    const others = peers === 1 ? 'its one peer does not reach it' : `none of its ${peers} peers reaches it`
    verdicts.set(node, {
      ...blank,
      kind: CulpritKind.CULPRIT_KIND_NODE,
      node,
      direction: FaultDirection.FAULT_DIRECTION_BOTH,
      confidence: DOWN_CONFIDENCE,
      message: `${node} is down: its agent is silent and ${others}.`,
      pairsFor: paths.slice(0, MAX_PAIRS).map(({ path }) => pairOf(path)),
    })
  }
  return verdicts
}

/** Interfaces that nobody reaches and whose own agents say why: one verdict each, and one for a node that has no other. */
const downInterfaces = (
  measured: readonly Measured[],
  troubleOf: (node: string, name: string) => string,
): Verdict[] => {
  const verdicts: Verdict[] = []
  const to = Map.groupBy(measured, ({ path }) => path.destination.node)
  for (const [node, paths] of to) {
    const all = Map.groupBy(paths, ({ path }) => path.destination.interface)
    const down = [...all].filter(
      ([name, own]) =>
        troubleOf(node, name) !== '' && own.every(({ state }) => state === PathState.PATH_STATE_DOWN),
    )
    const isWhole = down.length > 1 && down.length === all.size
    for (const group of isWhole ? [down] : down.map((each) => [each])) {
      const names = group.map(([name]) => name)
      const own = group.flatMap(([, each]) => each)
      const peers = new Set(own.map(({ path }) => path.source.node)).size
      const others = peers === 1 ? 'its one peer does not reach it' : `none of its ${peers} peers reaches it`
      const reasons = [...new Set(names.map((name) => troubleOf(node, name)))].join('; ')
      verdicts.push({
        ...blank,
        kind: isWhole ? CulpritKind.CULPRIT_KIND_NODE : CulpritKind.CULPRIT_KIND_INTERFACE,
        node,
        interface: isWhole ? '' : names[0]!,
        direction: FaultDirection.FAULT_DIRECTION_BOTH,
        confidence: DOWN_CONFIDENCE,
        message: `${node} is cut off on ${names.join(' and ')}: its agent says "${reasons}", and ${others}.`,
        pairsFor: own.slice(0, MAX_PAIRS).map(({ path }) => pairOf(path)),
      })
    }
  }
  return verdicts
}

/** Who is to blame for what the mesh shows now, the surest first. */
export const judgeMesh = (given: {
  /** Every path that is measured now. */
  measured: readonly Measured[]
  recent: Paths['recent']
  /** Nodes whose agents do not deliver. */
  silent: ReadonlySet<string>
  /** Why a node does not probe from an interface; empty when it does. */
  troubleOf: (node: string, name: string) => string
  lossy: readonly LossyInterface[]
  racks: ReadonlyMap<string, string>
  /** What was said last. */
  before: readonly Verdict[]
  nowMs: number
}): Verdict[] => {
  const { measured, recent, silent, troubleOf, lossy, racks, nowMs } = given
  const down = downNodes(measured, silent)
  const cutOff = downInterfaces(
    measured.filter(({ path }) => !down.has(path.destination.node)),
    troubleOf,
  )
  // A verdict on a whole node has no interface.
  const blamed = new Set(cutOff.map(({ node, interface: name }) => `${node} ${name}`))
  const isExplained = ({ destination: { node, interface: name } }: MeshPath) =>
    down.has(node) || blamed.has(`${node} `) || blamed.has(`${node} ${name}`)
  const byPair = new Map(measured.map((each) => [pairKey(each.path), each]))
  const backOf = ({ path: { source, destination } }: Measured) =>
    byPair.get(pairKey({ source: destination, destination: source }))
  const results = measured
    .filter((each) => !isExplained(each.path) && !isOfBefore(each, backOf(each)))
    .map((each) => toResult(each, backOf(each), recent, nowMs))
  const diagnosed = diagnose({ results, racks }).verdicts.map(tidy).flatMap(createRecoveringVerdicts(given))
  const verdicts = withLossy([...down.values(), ...cutOff, ...diagnosed], lossy, byPair)
  return verdicts.sort((one, other) => other.confidence - one.confidence)
}

/** Paths looked at for what a round trip usually takes; more would not say it better. */
const MAX_SAMPLED = 2_000

/** From this mean round-trip time on, in seconds, a path is late beside the others. */
const lateLimit = (measured: readonly Measured[], recent: Paths['recent'], nowMs: number): number => {
  const comparable = measured.filter(({ isLoaded }) => !isLoaded)
  const step = Math.max(1, Math.floor(comparable.length / MAX_SAMPLED))
  const sampled = comparable
    .filter((_, index) => index % step === 0)
    .flatMap(({ path }) => recent.countsOf(path.row, nowMs).meanSeconds ?? [])
  if (sampled.length === 0) return Number.POSITIVE_INFINITY
  const usual = median(sampled)
  const { lateFactor, lateSeconds } = defaultThresholds
  return Math.max(usual * lateFactor, usual + lateSeconds)
}

/** Whether any path takes far longer than the others: loss shows in states, but slowness only in comparison. */
export const hasLatePath = (
  measured: readonly Measured[],
  recent: Paths['recent'],
  nowMs: number,
): boolean => {
  const limit = lateLimit(measured, recent, nowMs)
  return measured.some(
    ({ path, isLoaded }) => !isLoaded && (recent.countsOf(path.row, nowMs).meanSeconds ?? 0) > limit,
  )
}

export const endpointOf = (node: string, name: string): Endpoint => ({ node, interface: name, address: '' })
