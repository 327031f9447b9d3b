import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Clock } from '../../../lib/clock.ts'
import type { MeshAgents } from '../agents/mesh-agents.ts'
import type { OwnLoad } from '../state/own-load.ts'
import type { Measured } from '../state/paths.ts'
import { type MeshPath, type Paths, stateOf } from '../state/paths.ts'
import { type Counts, MINUTE_MS, noCounts } from '../view/messages.ts'

const BAD: ReadonlySet<PathState> = new Set([PathState.PATH_STATE_DOWN, PathState.PATH_STATE_LOSSY])
const MEASURED: ReadonlySet<PathState> = new Set([...BAD, PathState.PATH_STATE_UP])

/** How the paths are now, by what was measured and by whether their agents deliver. */
export const createStates = (deps: {
  clock: Clock
  paths: Pick<Paths, 'all'>
  agents: Pick<MeshAgents, 'delivers' | 'troubleOf'>
  ownLoad: Pick<OwnLoad, 'touches'>
}) => {
  const { clock, paths, agents, ownLoad } = deps
  const stateNow = (path: MeshPath, nowMs: number): PathState => {
    const { node, interface: name } = path.source
    return stateOf(path, agents.delivers(node) && agents.troubleOf(node, name) === '', nowMs)
  }
  const those = (states: ReadonlySet<PathState> | undefined): Measured[] => {
    const now = clock.now().getTime()
    const found: Measured[] = []
    for (const path of paths.all()) {
      const state = stateNow(path, now)
      if (states && !states.has(state)) continue
      found.push({ path, state, isLoaded: ownLoad.touches(path, now - MINUTE_MS, now) })
    }
    return found
  }
  return {
    all: (): Measured[] => those(undefined),
    measured: (): Measured[] => those(MEASURED),
    /** Whether any path is down or lossy; asked all the time, so it makes no list. */
    hasBad: (): boolean => {
      const now = clock.now().getTime()
      for (const path of paths.all()) {
        if (BAD.has(path.health.state) && BAD.has(stateNow(path, now))) return true
      }
      return false
    },
    /** Paths that are probed, by the mesh that wants them. */
    countsByMesh: (): Map<string, Counts> => {
      const now = clock.now().getTime()
      const byMesh = new Map<string, Counts>()
      for (const path of paths.all()) {
        if (path.releasedMs !== undefined) continue
        const counts = byMesh.get(path.mesh) ?? noCounts()
        byMesh.set(path.mesh, counts)
        counts[stateNow(path, now)]++
      }
      return byMesh
    },
  }
}
