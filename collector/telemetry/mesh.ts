import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Clock } from '../../lib/clock.ts'
import { fromTimestamp } from '../../lib/protobuf-time.ts'
import type { MeshObserver } from '../mesh/deps.ts'
import type { Meshes } from '../mesh/meshes.ts'
import type { Measured } from '../mesh/verdicts.ts'
import type { Metrics } from './metrics.ts'
import { showMeshVerdicts } from './verdicts.ts'
import { pathStateWord } from './words.ts'

/** Two sinks read; whoever comes second within this time gets what the first one got. */
const REFRESH_SECONDS = 1
const WINDOW_SECONDS = 60
const WORST_PATHS = 10
/** So many racks make 400 pairs; a larger fleet has its matrix in the store. */
const MAX_RACKS = 20

const BAD: readonly PathState[] = [PathState.PATH_STATE_DOWN, PathState.PATH_STATE_LOSSY]
const STATES: readonly PathState[] = [
  PathState.PATH_STATE_UNSPECIFIED,
  PathState.PATH_STATE_UP,
  PathState.PATH_STATE_LOSSY,
  PathState.PATH_STATE_DOWN,
  PathState.PATH_STATE_STALE,
]

/** Counts what happens in the mesh. */
export const createMeshObserver = (metrics: Metrics): Omit<MeshObserver, 'observeMeasured'> => ({
  observeEvent: (event) => {
    metrics.meshEvents.add({ state: pathStateWord(event.state) })
    if (!BAD.includes(event.state)) return
    const [time, seen] = [fromTimestamp(event.time), fromTimestamp(event.seenTime)]
    if (time && seen) metrics.meshDetection.observe({}, Math.max(0, seen.getTime() - time.getTime()) / 1000)
  },
  observeVerdicts: (verdicts) => showMeshVerdicts(metrics, verdicts),
  observeWindows: (count) => metrics.meshWindows.add({}, count),
  observeDropped: (count) => metrics.meshDropped.add({}, count),
  observeAssignment: () => metrics.meshAssignments.add({}),
})

type Snapshot = ReturnType<Meshes['snapshot']>

const showEnds = (metrics: Metrics, ends: Snapshot['ends'], second: number): void => {
  for (const end of ends.values()) {
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

const showStates = (metrics: Metrics, paths: readonly Measured[], streams: Snapshot['streams']): void => {
  const totals = new Map(STATES.map((state) => [state, 0]))
  const bad = new Map(streams.map(({ node }) => [node, { down: 0, lossy: 0 }]))
  for (const { path, state } of paths) {
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

type Loss = { sent: number; lost: number }

/** Goes over all paths once: the few worst, and the sums of rack pairs. */
const showPaths = (
  metrics: Metrics,
  meshes: Meshes,
  paths: readonly Measured[],
  racks: Snapshot['racks'],
  nowMs: number,
) => {
  const worst: { ratio: number; path: Measured['path'] }[] = []
  const withRacks = new Set(racks.values()).size <= MAX_RACKS
  const blocks = new Map<string, Loss>()
  for (const { path } of paths) {
    const { sentCount, receivedCount } = meshes.recent.countsOf(path.row, nowMs)
    if (sentCount === 0) continue
    const lost = sentCount - receivedCount
    const ratio = lost / sentCount
    if (lost > 0 && (worst.length < WORST_PATHS || ratio > worst.at(-1)!.ratio)) {
      const place = worst.findIndex((other) => ratio > other.ratio)
      worst.splice(place < 0 ? worst.length : place, 0, { ratio, path })
      worst.length = Math.min(worst.length, WORST_PATHS)
    }
    const [from, to] = [racks.get(path.source.node), racks.get(path.destination.node)]
    if (!withRacks || !from || !to) continue
    const key = `${from}\u0000${to}`
    const block = blocks.get(key) ?? { sent: 0, lost: 0 }
    blocks.set(key, block)
    block.sent += sentCount
    block.lost += lost
  }
  metrics.meshWorstLoss.removeWhere(() => true)
  for (const [index, { ratio, path }] of worst.entries()) {
    const { source, destination } = path
    const pair = { source: source.node, destination: destination.node, interface: source.interface }
    metrics.meshWorstLoss.set({ rank: String(index + 1), ...pair }, ratio)
  }
  for (const [key, { sent, lost }] of blocks) {
    const [from, to] = key.split('\u0000')
    metrics.meshRackLoss.set({ source_rack: from!, destination_rack: to! }, lost / sent)
  }
  metrics.meshRackLoss.removeWhere(
    (labels) => !blocks.has(`${labels.source_rack}\u0000${labels.destination_rack}`),
  )
}

const GAUGES = [
  'meshLoss',
  'meshRtt',
  'meshPaths',
  'meshNodePaths',
  'meshWorstLoss',
  'meshRackLoss',
  'meshStreams',
  'meshClockOffset',
  'meshWaiting',
  'meshCoverage',
] as const

/** Shows how the meshes are whenever somebody reads, so that nobody pays for what nobody reads. */
export const showMeshes = ({ metrics, clock }: { metrics: Metrics; clock: Clock }, meshes: Meshes): void => {
  let shownSeconds = Number.NEGATIVE_INFINITY
  const refresh = () => {
    const seconds = clock.monotonicSeconds()
    if (seconds - shownSeconds < REFRESH_SECONDS) return
    shownSeconds = seconds
    const nowMs = clock.now().getTime()
    const snapshot = meshes.snapshot()
    const paths = meshes.paths()
    showEnds(metrics, snapshot.ends, Math.floor(nowMs / 1000))
    showStreams(metrics, snapshot.streams)
    showStates(metrics, paths, snapshot.streams)
    showPaths(metrics, meshes, paths, snapshot.racks, nowMs)
    metrics.meshWaiting.set({}, snapshot.waitingWindows)
    const names = new Set(snapshot.meshes.map(({ name }) => name))
    for (const { name, coverSeconds } of snapshot.meshes)
      metrics.meshCoverage.set({ mesh: name }, coverSeconds ?? 0)
    metrics.meshCoverage.removeWhere(({ mesh }) => !names.has(mesh))
  }
  for (const gauge of GAUGES) metrics[gauge].readWith(refresh)
}
