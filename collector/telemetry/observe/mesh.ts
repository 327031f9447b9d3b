import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Clock } from '../../../lib/clock.ts'
import { fromTimestamp } from '../../../lib/protobuf-time.ts'
import { createCooperativeYielding } from '../../cooperative-yielding.ts'
import type { MeshObserver } from '../../mesh/dependencies.ts'
import type { MeshController } from '../../mesh/mesh-controller.ts'
import type { MeasuredPath } from '../../mesh/state/paths.ts'
import type { Metrics } from '../catalogue/metrics.ts'
import { pathStateWord } from './label-values.ts'
import { createMeshPathGauges } from './mesh-paths.ts'
import { showMeshVerdicts } from './verdicts.ts'

/** Two sinks read; whoever comes second within this time gets what the first one got. */
const REFRESH_SECONDS = 1
const WINDOW_SECONDS = 60
/** Interfaces gone over before it is looked whether others are to have their turn. */
const SLICE_ENDS = 20
/** As many paths take as long when they are only counted. */
const SLICE_PATHS = 2_000

const BAD: readonly PathState[] = [PathState.PATH_STATE_DOWN, PathState.PATH_STATE_LOSSY]
const STATES: readonly PathState[] = [
  PathState.PATH_STATE_UNSPECIFIED,
  PathState.PATH_STATE_UP,
  PathState.PATH_STATE_LOSSY,
  PathState.PATH_STATE_DOWN,
  PathState.PATH_STATE_STALE,
]
/** States that something comes to. */
const EVENT_STATES = STATES.filter((state) => state !== PathState.PATH_STATE_UNSPECIFIED)

/** Counts what happens in the mesh. */
export const createMeshObserver = (metrics: Metrics): Omit<MeshObserver, 'observeMeasured'> => {
  // A counter that begins at its first event hides that event from rate() and increase().
  for (const state of EVENT_STATES) metrics.meshEvents.add({ state: pathStateWord(state) }, 0)
  metrics.meshRelapses.add({}, 0)
  return {
    observeEvent: (event) => {
      metrics.meshEvents.add({ state: pathStateWord(event.state) })
      if (!BAD.includes(event.state)) return
      const [time, seen] = [fromTimestamp(event.time), fromTimestamp(event.seenTime)]
      if (time && seen) metrics.meshDetection.observe({}, Math.max(0, seen.getTime() - time.getTime()) / 1000)
    },
    observeRelapse: () => metrics.meshRelapses.add({}),
    observeVerdicts: (verdicts) => showMeshVerdicts(metrics, verdicts),
    observeWindows: (count) => metrics.meshWindows.add({}, count),
    observeDropped: (count) => metrics.meshDropped.add({}, count),
    observeAssignment: () => metrics.meshAssignments.add({}),
  }
}

type Shown = Pick<MeasuredPath, 'path' | 'state'>
type Snapshot = ReturnType<MeshController['snapshot']>

const showEnds = async (metrics: Metrics, ends: Snapshot['interfaces'], second: number): Promise<void> => {
  const turns = createCooperativeYielding()
  for (const [index, end] of [...ends.values()].entries()) {
    if (index % SLICE_ENDS === 0) await turns.yieldIfDue()
    const labels = { node: end.node, interface: end.interface }
    for (const direction of ['tx', 'rx'] as const) {
      const { sentCount, lostCount } = end.sum(direction, second, WINDOW_SECONDS)
      // Nothing measured is no value: neither the old one nor 0.
      if (sentCount === 0) metrics.meshLoss.remove({ ...labels, direction })
      else metrics.meshLoss.set({ ...labels, direction }, lostCount / sentCount)
    }
    const [p50, p99] = end.quantiles(second, [0.5, 0.99]) ?? []
    for (const [stat, value] of Object.entries({ p50, p99 })) {
      if (value === undefined) metrics.meshRtt.remove({ ...labels, stat })
      else metrics.meshRtt.set({ ...labels, stat }, value)
    }
  }
  const gone = ({ node, interface: name }: { node: string; interface: string }) =>
    !ends.has(`${node} ${name}`)
  metrics.meshLoss.removeWhere(gone)
  metrics.meshRtt.removeWhere(gone)
}

const showStreams = (metrics: Metrics, streams: Snapshot['streams']): void => {
  const nodes = new Set(streams.map(({ node }) => node))
  const delivering = streams.filter(({ delivers }) => delivers).length
  metrics.meshStreams.set({ state: 'delivering' }, delivering)
  metrics.meshStreams.set({ state: 'silent' }, streams.length - delivering)
  for (const { node, offsetMs } of streams) {
    if (offsetMs !== undefined) metrics.meshClockOffset.set({ node }, offsetMs / 1000)
  }
  metrics.meshClockOffset.removeWhere(({ node }) => !nodes.has(node))
}

const showStates = async (
  metrics: Metrics,
  paths: readonly Shown[],
  streams: Snapshot['streams'],
): Promise<void> => {
  const turns = createCooperativeYielding()
  const totals = new Map(STATES.map((state) => [state, 0]))
  const bad = new Map(streams.map(({ node }) => [node, { down: 0, lossy: 0 }]))
  for (const [index, { path, state }] of paths.entries()) {
    if (index % SLICE_PATHS === 0) await turns.yieldIfDue()
    if (path.releasedMs !== undefined) continue
    totals.set(state, totals.get(state)! + 1)
    if (!BAD.includes(state)) continue
    const word = state === PathState.PATH_STATE_DOWN ? 'down' : 'lossy'
    for (const { node } of [path.source, path.destination]) {
      const counts = bad.get(node)
      if (counts) counts[word]++
    }
  }
  for (const [state, count] of totals) metrics.meshPaths.set({ state: pathStateWord(state) }, count)
  for (const [node, counts] of bad) {
    for (const [state, count] of Object.entries(counts)) metrics.meshNodePaths.set({ node, state }, count)
  }
  metrics.meshNodePaths.removeWhere(({ node }) => !bad.has(node))
}

const GAUGES = [
  'meshLoss',
  'meshRtt',
  'meshPaths',
  'meshNodePaths',
  'meshWorstLoss',
  'meshRackLoss',
  'meshRackRtt',
  'meshPairLoss',
  'meshPairRtt',
  'pairSeriesDropped',
  'meshLossyInterface',
  'meshStreams',
  'meshClockOffset',
  'meshWaiting',
  'meshCoverage',
] as const

const showLossy = (metrics: Metrics, lossy: Snapshot['lossy']): void => {
  const keys = new Set(lossy.map(({ node, interface: name }) => `${node} ${name}`))
  for (const { node, interface: name, lostCount, sentCount } of lossy)
    metrics.meshLossyInterface.set({ node, interface: name }, lostCount / Math.max(1, sentCount))
  metrics.meshLossyInterface.removeWhere(({ node, interface: name }) => !keys.has(`${node} ${name}`))
}

/**
 * Shows how the meshes are whenever somebody reads, so that nobody pays for what nobody reads. Reading waits until all of
 * it is shown; it is done in slices, for a mesh may have a hundred thousand paths.
 */
export const showMeshes = (
  { metrics, clock }: { metrics: Metrics; clock: Pick<Clock, 'monotonicSeconds'> },
  meshes: Pick<MeshController, 'snapshot' | 'recent'> & { paths(): readonly Shown[] },
): void => {
  const showPaths = createMeshPathGauges(metrics)
  let shownSeconds = Number.NEGATIVE_INFINITY
  let showing: Promise<void> | undefined
  const show = async () => {
    const snapshot = meshes.snapshot()
    const { nowMs } = snapshot
    const paths = meshes.paths()
    await showEnds(metrics, snapshot.interfaces, Math.floor(nowMs / 1000))
    showStreams(metrics, snapshot.streams)
    await createCooperativeYielding().pass()
    await showStates(metrics, paths, snapshot.streams)
    showLossy(metrics, snapshot.lossy)
    await showPaths(paths, meshes.recent, snapshot.racks, nowMs)
    metrics.meshWaiting.set({}, snapshot.waitingWindows)
    const names = new Set(snapshot.meshes.map(({ name }) => name))
    for (const { name, coverSeconds } of snapshot.meshes)
      metrics.meshCoverage.set({ mesh: name }, coverSeconds ?? 0)
    metrics.meshCoverage.removeWhere(({ mesh }) => !names.has(mesh))
  }
  const refresh = (): Promise<void> | undefined => {
    const seconds = clock.monotonicSeconds()
    if (showing || seconds - shownSeconds < REFRESH_SECONDS) return showing
    shownSeconds = seconds
    showing = show().finally(() => {
      showing = undefined
    })
    return showing
  }
  for (const gauge of GAUGES) metrics[gauge].readWith(refresh)
}
