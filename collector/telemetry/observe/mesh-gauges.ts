import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Clock } from '../../../lib/clock.ts'
import { fromTimestamp } from '../../../lib/protobuf-time.ts'
import { createCooperativeYielding } from '../../cooperative-yielding.ts'
import { interfaceKey } from '../../inventory/keys.ts'
import type { MeshObserver } from '../../mesh/dependencies.ts'
import type { MeshController } from '../../mesh/mesh-controller.ts'
import type { MeasuredPath } from '../../mesh/state/paths.ts'
import type { Metrics } from '../catalogue/metrics.ts'
import { pathStateLabel } from './label-values.ts'
import { createMeshPathGauges } from './mesh-path-gauges.ts'
import { showMeshVerdicts } from './verdict-gauges.ts'

/** Minimum time between two updates. Both sinks read; the second read within this time gets the same values. */
const REFRESH_SECONDS = 1
const WINDOW_SECONDS = 60
/** Interfaces processed between two checks whether to yield. */
const SLICE_INTERFACES = 20
/** As SLICE_INTERFACES, for paths that are only counted. */
const SLICE_PATHS = 2_000

const BAD: readonly PathState[] = [PathState.PATH_STATE_DOWN, PathState.PATH_STATE_LOSSY]
const STATES: readonly PathState[] = [
  PathState.PATH_STATE_UNSPECIFIED,
  PathState.PATH_STATE_UP,
  PathState.PATH_STATE_LOSSY,
  PathState.PATH_STATE_DOWN,
  PathState.PATH_STATE_STALE,
]
/** States that a path can change to. */
const EVENT_STATES = STATES.filter((state) => state !== PathState.PATH_STATE_UNSPECIFIED)

/** Counts the events, windows and assignments of the ping mesh. */
export const createMeshObserver = (metrics: Metrics): Omit<MeshObserver, 'observeMeasured'> => {
  // Counters start at 0 before their first event, because rate() and increase() ignore the first sample of a series.
  for (const state of EVENT_STATES) metrics.meshEvents.add({ state: pathStateLabel(state) }, 0)
  metrics.meshRelapses.add({}, 0)
  return {
    observeEvent: (event) => {
      metrics.meshEvents.add({ state: pathStateLabel(event.state) })
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

const showInterfaces = async (
  metrics: Metrics,
  interfaces: Snapshot['interfaces'],
  second: number,
): Promise<void> => {
  const yielding = createCooperativeYielding()
  for (const [index, end] of [...interfaces.values()].entries()) {
    if (index % SLICE_INTERFACES === 0) await yielding.yieldIfDue()
    const labels = { node: end.node, interface: end.interface }
    for (const direction of ['tx', 'rx'] as const) {
      const { sentCount, lostCount } = end.sum(direction, second, WINDOW_SECONDS)
      // Without a measurement there is no value: neither the previous one nor 0.
      if (sentCount === 0) metrics.meshLoss.remove({ ...labels, direction })
      else metrics.meshLoss.set({ ...labels, direction }, lostCount / sentCount)
    }
    const [p50, p99] = end.quantiles(second, [0.5, 0.99]) ?? []
    for (const [stat, value] of Object.entries({ p50, p99 })) {
      if (value === undefined) metrics.meshRtt.remove({ ...labels, stat })
      else metrics.meshRtt.set({ ...labels, stat }, value)
    }
  }
  const isGone = (labels: { node: string; interface: string }) => !interfaces.has(interfaceKey(labels))
  metrics.meshLoss.removeWhere(isGone)
  metrics.meshRtt.removeWhere(isGone)
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
  const yielding = createCooperativeYielding()
  const totals = new Map(STATES.map((state) => [state, 0]))
  const bad = new Map(streams.map(({ node }) => [node, { down: 0, lossy: 0 }]))
  for (const [index, { path, state }] of paths.entries()) {
    if (index % SLICE_PATHS === 0) await yielding.yieldIfDue()
    if (path.releasedMs !== undefined) continue
    totals.set(state, totals.get(state)! + 1)
    if (!BAD.includes(state)) continue
    const label = state === PathState.PATH_STATE_DOWN ? 'down' : 'lossy'
    for (const { node } of [path.source, path.destination]) {
      const counts = bad.get(node)
      if (counts) counts[label]++
    }
  }
  for (const [state, count] of totals) metrics.meshPaths.set({ state: pathStateLabel(state) }, count)
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
  const keys = new Set(lossy.map(interfaceKey))
  for (const { node, interface: name, lostCount, sentCount } of lossy)
    metrics.meshLossyInterface.set({ node, interface: name }, lostCount / Math.max(1, sentCount))
  metrics.meshLossyInterface.removeWhere((labels) => !keys.has(interfaceKey(labels)))
}

/**
 * Registers the gauges of the ping meshes. They are computed when a sink reads them, and reading waits until all of them
 * are set. The work is done in slices, because a mesh may have a hundred thousand paths.
 */
export const registerMeshGauges = (
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
    await showInterfaces(metrics, snapshot.interfaces, Math.floor(nowMs / 1000))
    showStreams(metrics, snapshot.streams)
    await createCooperativeYielding().startNextSlice()
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
