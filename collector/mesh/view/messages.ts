import { type Mesh, type Path, PathState, type PathWindow } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { RttSpread } from '#proto/meshgauge/collector/v1/result.ts'
import { toDuration, toTimestamp } from '../../../lib/protobuf-time.ts'
import type { MeshPath, Paths } from '../state/paths.ts'
import type { LastMinute } from '../state/recent-window.ts'
import type { MeshTime } from '../time.ts'

const timestamp = (ms: number) => (ms === 0 ? undefined : toTimestamp(new Date(ms)))

export const HOUR_MS = 3_600_000
export const MINUTE_MS = 60_000

const spreadOf = (rtt: LastMinute['rtt']): RttSpread | undefined =>
  rtt && {
    min: toDuration(rtt.min),
    avg: toDuration(rtt.avg),
    p50: toDuration(rtt.p50),
    p99: toDuration(rtt.p99),
    max: toDuration(rtt.max),
  }

export const windowMessage = (window: LastMinute): PathWindow => ({
  startTime: timestamp(window.startMs),
  endTime: timestamp(window.endMs),
  sentCount: window.sentCount,
  receivedCount: window.receivedCount,
  lossRatio: window.sentCount === 0 ? 0 : (window.sentCount - window.receivedCount) / window.sentCount,
  rtt: spreadOf(window.rtt),
  jitter: window.jitterSeconds === undefined ? undefined : toDuration(window.jitterSeconds),
})

export const pathMessage = (
  path: MeshPath,
  state: PathState,
  recent: Paths['recent'],
  { clock, shiftMs }: MeshTime,
): Path => {
  const nowMs = clock.now().getTime()
  const shift = shiftMs()
  const timeOf = (ms: number) => (ms === 0 ? undefined : toTimestamp(new Date(ms + shift)))
  const { startMs, endMs, ...lastMinute } = recent.lastMinute(path.row, nowMs)
  const { stateMs, lastEndMs } = path.health
  return {
    source: path.source,
    destination: path.destination,
    state,
    stateTime: timeOf(state === PathState.PATH_STATE_STALE ? lastEndMs : stateMs),
    lastMinute: windowMessage({ ...lastMinute, startMs: startMs + shift, endMs: endMs + shift }),
    lastWindowTime: timeOf(lastEndMs),
    reason: path.reason,
    changeCount: path.changes.filter((at) => nowMs - at <= HOUR_MS).length,
  }
}

/** Worst first. */
const RANKS: Record<PathState, number> = {
  [PathState.PATH_STATE_DOWN]: 0,
  [PathState.PATH_STATE_LOSSY]: 1,
  [PathState.PATH_STATE_STALE]: 2,
  [PathState.PATH_STATE_UP]: 3,
  [PathState.PATH_STATE_UNSPECIFIED]: 4,
  [PathState.UNRECOGNIZED]: 5,
}

/** node-2 before node-10. */
export const compareNames = new Intl.Collator('en', { numeric: true }).compare

/** Worst first, then by names. Names are compared by their place in one sorted list: there may be 100,000 paths. */
export const sortPaths = <P extends { path: MeshPath; state: PathState }>(paths: readonly P[]): P[] => {
  const names = new Set(paths.flatMap(({ path }) => [path.source.node, path.destination.node]))
  const places = new Map([...names].sort(compareNames).map((name, place) => [name, place]))
  const order = (one: P, other: P): number =>
    RANKS[one.state] - RANKS[other.state] ||
    places.get(one.path.source.node)! - places.get(other.path.source.node)! ||
    places.get(one.path.destination.node)! - places.get(other.path.destination.node)! ||
    (one.path.source.interface < other.path.source.interface ? -1 : 1)
  return [...paths].sort(order)
}

/** Paths by state. */
export type Counts = Record<PathState, number>

export const noCounts = (): Counts => ({
  [PathState.PATH_STATE_UNSPECIFIED]: 0,
  [PathState.UNRECOGNIZED]: 0,
  [PathState.PATH_STATE_UP]: 0,
  [PathState.PATH_STATE_LOSSY]: 0,
  [PathState.PATH_STATE_DOWN]: 0,
  [PathState.PATH_STATE_STALE]: 0,
})

export const meshMessage = (
  mesh: Pick<Mesh, 'schedule' | 'spec' | 'nodeCount' | 'streamingCount' | 'problems'>,
  counts: Counts,
  { peers, coverSeconds }: { peers: number; coverSeconds: number | undefined },
): Mesh => ({
  ...mesh,
  pathCount: Object.values(counts).reduce((sum, count) => sum + count, 0),
  upCount: counts[PathState.PATH_STATE_UP],
  lossyCount: counts[PathState.PATH_STATE_LOSSY],
  downCount: counts[PathState.PATH_STATE_DOWN],
  staleCount: counts[PathState.PATH_STATE_STALE],
  peerCount: peers,
  coverageTime: coverSeconds === undefined ? undefined : toDuration(coverSeconds),
})
