import { type Path, PathState, type PathWindow } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { RttSpread } from '#proto/meshgauge/collector/v1/result.ts'
import { toDuration, toTimestamp } from '../../../lib/protobuf-time.ts'
import type { MeshTime } from '../mesh-time.ts'
import { type MeshPath, type Paths, recentChanges } from '../state/paths.ts'
import type { LastMinute } from '../state/recent-window.ts'

const spreadOf = (rtt: LastMinute['rtt']): RttSpread | undefined =>
  rtt && {
    min: toDuration(rtt.min),
    avg: toDuration(rtt.avg),
    p50: toDuration(rtt.p50),
    p99: toDuration(rtt.p99),
    max: toDuration(rtt.max),
  }

const windowMessage = (window: LastMinute, shiftMs: number): PathWindow => ({
  startTime: toTimestamp(new Date(window.startMs + shiftMs)),
  endTime: toTimestamp(new Date(window.endMs + shiftMs)),
  sentCount: window.sentCount,
  receivedCount: window.receivedCount,
  lossRatio: window.sentCount === 0 ? 0 : (window.sentCount - window.receivedCount) / window.sentCount,
  rtt: spreadOf(window.rtt),
  jitter: window.jitterSeconds === undefined ? undefined : toDuration(window.jitterSeconds),
})

/**
 * Returns a path as the API shows it: its state, last minute and changes, in wall-clock time.
 * @param problem why the path is not probed; empty when it is
 */
export const pathMessage = (
  path: MeshPath,
  { state, problem }: { state: PathState; problem: string },
  recent: Paths['recent'],
  time: Pick<MeshTime, 'clock' | 'shiftMs'>,
): Path => {
  const nowMs = time.clock.now().getTime()
  const shift = time.shiftMs()
  const timestamp = (ms: number) => (ms === 0 ? undefined : toTimestamp(new Date(ms + shift)))
  const { stateMs, lastEndMs } = path.health
  return {
    source: path.source,
    destination: path.destination,
    state,
    stateTime: timestamp(state === PathState.PATH_STATE_STALE ? lastEndMs : stateMs),
    lastMinute: windowMessage(recent.lastMinute(path.row, nowMs), shift),
    lastWindowTime: timestamp(lastEndMs),
    reason: problem ? `${path.destination.address}: ${problem}` : path.reason,
    changeCount: recentChanges(path, nowMs).length,
  }
}

/** Order of the states in lists, worst first. */
const RANKS: Record<PathState, number> = {
  [PathState.PATH_STATE_DOWN]: 0,
  [PathState.PATH_STATE_LOSSY]: 1,
  [PathState.PATH_STATE_STALE]: 2,
  [PathState.PATH_STATE_UP]: 3,
  [PathState.PATH_STATE_UNSPECIFIED]: 4,
  [PathState.UNRECOGNIZED]: 5,
}

/** Compares names with numbers by value: node-2 is before node-10. */
export const compareNames = new Intl.Collator('en', { numeric: true }).compare

/**
 * Returns the paths sorted by state, worst first, then by names. Each name is collated once and then compared by its
 * position, because there may be 100,000 paths.
 */
export const sortPaths = <P extends { path: MeshPath; state: PathState }>(paths: readonly P[]): P[] => {
  const names = new Set(paths.flatMap(({ path }) => [path.source.node, path.destination.node]))
  const positions = new Map([...names].sort(compareNames).map((name, position) => [name, position]))
  const order = (one: P, other: P): number =>
    RANKS[one.state] - RANKS[other.state] ||
    positions.get(one.path.source.node)! - positions.get(other.path.source.node)! ||
    positions.get(one.path.destination.node)! - positions.get(other.path.destination.node)! ||
    (one.path.source.interface < other.path.source.interface ? -1 : 1)
  return [...paths].sort(order)
}
