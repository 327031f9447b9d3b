import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import { median } from '../../../lib/statistics.ts'
import { diagnose } from '../../diagnosis/diagnosis.ts'
import type { LocalEvidence } from '../../diagnosis/local-evidence.ts'
import { defaultThresholds } from '../../diagnosis/thresholds.ts'
import { createVerdict, type Verdict } from '../../diagnosis/verdict.ts'
import type { PairResult } from '../../dispatch/pair-result.ts'
import { interfaceKey } from '../../inventory/keys.ts'
import type { LossyInterface } from '../state/interface-state.ts'
import type { LossRecord } from '../state/loss-record.ts'
import type { MeasuredPath, MeshPath, Paths } from '../state/paths.ts'
import { createMeshLossWords } from './loss-words.ts'
import { isDead, MAX_PAIRS, pairOf, withLossyInterfaces } from './lossy-verdicts.ts'
import type { PathResults } from './path-results.ts'
import { createRecoveryFilter } from './recovering-verdicts.ts'

/** Nothing contradicts the verdict: the agent is silent and no peer reaches the node. */
const DOWN_CONFIDENCE = 0.99

/**
 * Returns whether the UP state of a path is older than the failure of its way back. A node that has died reports
 * nothing since, so its last good windows are not about the present.
 */
const isOutdated = ({ path: { health }, state }: MeasuredPath, back: MeasuredPath | undefined): boolean =>
  state === PathState.PATH_STATE_UP &&
  back !== undefined &&
  isDead(back) &&
  health.lastEndMs < back.path.health.stateMs

/** Returns a verdict of the diagnosis without its claim of a retest: the mesh probes from the same socket all the time. */
const asMeshVerdict = (verdict: Verdict): Verdict => ({
  ...verdict,
  message: verdict.message.replace(' Retested on new ports: the same.', ''),
  retested: false,
  pairsFor: verdict.pairsFor.slice(0, MAX_PAIRS),
  pairsAgainst: verdict.pairsAgainst.slice(0, MAX_PAIRS),
})

const isAllDown = (paths: readonly MeasuredPath[]): boolean =>
  paths.every(({ state }) => state === PathState.PATH_STATE_DOWN)

const unreachedText = (paths: readonly MeasuredPath[]): string => {
  const peers = new Set(paths.map(({ path }) => path.source.node)).size
  return peers === 1 ? 'its one peer does not reach it' : `none of its ${peers} peers reaches it`
}

/** Returns one verdict for each node whose agent is silent and that no peer reaches, by node. */
const downNodes = (measured: readonly MeasuredPath[], silent: ReadonlySet<string>): Map<string, Verdict> => {
  const verdicts = new Map<string, Verdict>()
  if (silent.size === 0) return verdicts
  const byDestination = Map.groupBy(
    measured.filter(({ path }) => silent.has(path.destination.node)),
    ({ path }) => path.destination.node,
  )
  for (const [node, paths] of byDestination) {
    if (!isAllDown(paths)) continue
    verdicts.set(
      node,
      createVerdict({
        kind: 'node',
        node,
        direction: 'both',
        confidence: DOWN_CONFIDENCE,
        message: `${node} is down: its agent is silent and ${unreachedText(paths)}.`,
        pairsFor: paths.slice(0, MAX_PAIRS).map(({ path }) => pairOf(path)),
        pairCount: paths.length,
      }),
    )
  }
  return verdicts
}

/** Returns a verdict for each interface that no peer reaches and whose agent reports why; one for a whole node. */
const downInterfaces = (
  measured: readonly MeasuredPath[],
  interfaceProblem: (node: string, name: string) => string,
): Verdict[] => {
  const verdicts: Verdict[] = []
  const nodes = new Set<string>()
  for (const { path } of measured) {
    const { node, interface: name } = path.destination
    if (interfaceProblem(node, name) !== '') nodes.add(node)
  }
  if (nodes.size === 0) return verdicts
  const ofThese = measured.filter(({ path }) => nodes.has(path.destination.node))
  const byDestination = Map.groupBy(ofThese, ({ path }) => path.destination.node)
  for (const [node, ofNode] of byDestination) {
    const byInterface = Map.groupBy(ofNode, ({ path }) => path.destination.interface)
    const down = [...byInterface].filter(
      ([name, paths]) => interfaceProblem(node, name) !== '' && isAllDown(paths),
    )
    const isWhole = down.length > 1 && down.length === byInterface.size
    for (const group of isWhole ? [down] : down.map((each) => [each])) {
      const names = group.map(([name]) => name)
      const paths = group.flatMap(([, each]) => each)
      const reasons = [...new Set(names.map((name) => interfaceProblem(node, name)))].join('; ')
      verdicts.push(
        createVerdict({
          kind: isWhole ? 'node' : 'interface',
          node,
          interface: isWhole ? '' : names[0]!,
          direction: 'both',
          confidence: DOWN_CONFIDENCE,
          message: `${node} is cut off on ${names.join(' and ')}: its agent says "${reasons}", and ${unreachedText(paths)}.`,
          pairsFor: paths.slice(0, MAX_PAIRS).map(({ path }) => pairOf(path)),
          pairCount: paths.length,
        }),
      )
    }
  }
  return verdicts
}

/** What the verdicts of the mesh are computed from. */
export type MeshEvidence = {
  /** Every path that is UP, LOSSY or DOWN. */
  measured: readonly MeasuredPath[]
  /** The results of the paths, for the diagnosis. */
  results: PathResults
  /** Nodes whose agents do not deliver. */
  silent: ReadonlySet<string>
  /** Returns why a node cannot probe from an interface; empty when it can. */
  interfaceProblem: (node: string, name: string) => string
  lossy: readonly LossyInterface[]
  racks: ReadonlyMap<string, string>
  /** What is wrong with the interfaces, as their agents report it. */
  local?: readonly LocalEvidence[]
  /** Size of the largest IP packets that the meshes send. */
  packetBytes?: number
  /** The verdicts of the last evaluation. */
  previous: readonly Verdict[]
  nowMs: number
  /** Returns what paths have lost since their fault began. */
  lossSince: LossRecord['since']
  /** Added to a mesh time for the wall clock. */
  shiftMs: number
}

/**
 * Returns the verdicts on the mesh, the most confident first. First the nodes and interfaces whose agents are silent or
 * report a problem; then the diagnosis of runs over all other paths; then lossy interfaces over all their paths.
 */
export const judgeMesh = (evidence: MeshEvidence): Verdict[] => {
  const { measured, silent, interfaceProblem, lossy, racks, local = [], packetBytes = 0, nowMs } = evidence
  const down = downNodes(measured, silent)
  const cutOff = downInterfaces(
    measured.filter(({ path }) => !down.has(path.destination.node)),
    interfaceProblem,
  )
  // A verdict on a whole node has no interface.
  const accused = new Set(cutOff.map(interfaceKey))
  const isExplained = ({ destination }: MeshPath) =>
    down.has(destination.node) ||
    (accused.size > 0 &&
      (accused.has(interfaceKey({ node: destination.node, interface: '' })) ||
        accused.has(interfaceKey(destination))))
  const byPair = new Map<string, MeasuredPath>()
  for (const each of measured) byPair.set(each.path.key, each)
  const results: PairResult[] = []
  for (const each of measured) {
    const back = byPair.get(each.path.backKey)
    if (!isExplained(each.path) && !isOutdated(each, back))
      results.push(evidence.results.of(each, back, nowMs))
  }
  const words = createMeshLossWords(evidence, byPair)
  const diagnosed = diagnose({ results, racks, local, packetBytes, lossWords: words })
    .verdicts.map(asMeshVerdict)
    .flatMap(createRecoveryFilter({ ...evidence, byPair }))
  const verdicts = withLossyInterfaces([...down.values(), ...cutOff, ...diagnosed], lossy, byPair, words)
  return verdicts.sort((one, other) => other.confidence - one.confidence)
}

/** Maximum number of paths from which the usual round-trip time is computed. */
const MAX_SAMPLED = 2_000

/** Returns the mean round-trip time in seconds above which a path is slow in comparison to the others. */
const slowLimit = (measured: readonly MeasuredPath[], recent: Paths['recent'], nowMs: number): number => {
  const comparable = measured.filter(({ isLoaded }) => !isLoaded)
  const step = Math.max(1, Math.floor(comparable.length / MAX_SAMPLED))
  const sampled = comparable
    .filter((_, index) => index % step === 0)
    .flatMap(({ path }) => recent.countsOf(path.row, nowMs).meanSeconds ?? [])
  const usual = median(sampled)
  if (usual === undefined) return Number.POSITIVE_INFINITY
  const { lateFactor, lateSeconds } = defaultThresholds
  return Math.max(usual * lateFactor, usual + lateSeconds)
}

/** Returns whether any path is far slower than the others. Loss has states; slowness shows only in comparison. */
export const hasSlowPath = (
  measured: readonly MeasuredPath[],
  recent: Paths['recent'],
  nowMs: number,
): boolean => {
  const limit = slowLimit(measured, recent, nowMs)
  return measured.some(
    ({ path, isLoaded }) => !isLoaded && (recent.countsOf(path.row, nowMs).meanSeconds ?? 0) > limit,
  )
}
