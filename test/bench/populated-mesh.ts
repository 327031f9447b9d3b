// The in-memory state of a ping mesh after a minute, without agents, for benchmarks of its evaluation and metrics.

import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { MeasuredPath } from '../../collector/mesh/state/paths.ts'
import { createPaths } from '../../collector/mesh/state/paths.ts'
import { bucketOf } from '../../lib/histogram.ts'

/** Default settings: a full mesh up to this number of nodes, above it this number of peers per epoch. */
const FULL_MESH_LIMIT = 200
const PEERS = 21
const WINDOWS = 6
const WINDOW_SECONDS = 10
const INDEX = bucketOf(0.0001)

/** Creates the state. All paths are up; their last windows end at `nowMs`. */
export const createPopulatedMesh = (
  names: readonly string[],
  interfaces: readonly string[],
  { rackSize, nowMs }: { rackSize: number; nowMs: number },
) => {
  const paths = createPaths({ random: () => 0.5, initialState: () => undefined })
  const peers = names.length <= FULL_MESH_LIMIT ? names.length - 1 : PEERS
  let id = 0
  for (const name of interfaces) {
    for (const [index, source] of names.entries()) {
      for (let shift = 1; shift <= peers; shift++) {
        const destination = names[(index + shift) % names.length]!
        const key = { source, destination, interface: name }
        paths.add(
          ++id,
          { key, from: '', address: '' },
          { mesh: 'mesh', staleAfterMs: 30_000, intervalSeconds: 1, echoesPerSecond: 1 },
        )
      }
    }
  }
  for (const path of paths.all()) {
    path.health.state = PathState.PATH_STATE_UP
    path.health.lastEndMs = nowMs
    for (let window = 0; window < WINDOWS; window++) {
      const endMs = nowMs - window * WINDOW_SECONDS * 1000
      const second = Math.floor(endMs / 1000)
      paths.recent.add(path.row, {
        endMs,
        sentCount: WINDOW_SECONDS,
        receivedCount: WINDOW_SECONDS,
        rttMinSeconds: 0.0001,
        rttMaxSeconds: 0.0002,
        rttSumSeconds: 0.0015,
        jitterSeconds: 0.00001,
        histogramOffset: INDEX,
        histogramCounts: [4, 3, 2, 1],
      })
      path.sourceWindow.add('tx', second, WINDOW_SECONDS, 0, 0)
      path.destinationWindow.add('rx', second, WINDOW_SECONDS, 0, 0)
      path.sourceWindow.addTimes(second, INDEX, [4, 3, 2, 1])
    }
  }
  return {
    recent: paths.recent,
    paths: (): Pick<MeasuredPath, 'path' | 'state'>[] =>
      [...paths.all()].map((path) => ({ path, state: PathState.PATH_STATE_UP as PathState })),
    snapshot: () => ({
      nowMs,
      interfaces: paths.interfaces(),
      streams: names.map((node) => ({ node, delivers: true, offsetMs: 1 })),
      lossy: [],
      waitingWindows: 100,
      meshes: [{ name: 'mesh', nodes: names.length, peers, coverSeconds: undefined }],
      racks: new Map(names.map((node, index) => [node, `rack-${Math.floor(index / rackSize)}`])),
    }),
  }
}
