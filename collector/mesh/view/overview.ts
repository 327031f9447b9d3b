import type { GetMeshResponse, Mesh } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { MeshAgents } from '../agents/mesh-agents.ts'
import { extentOf, type PlannedMesh } from '../assign/planner.ts'
import type { Planning } from '../assign/planning.ts'
import type { Judging } from '../judge/judging.ts'
import type { Paths } from '../state/paths.ts'
import type { Recorder } from '../state/recorder.ts'
import type { MeshTime } from '../time.ts'
import { type Counts, meshMessage, noCounts } from './messages.ts'

/** Lines about one mesh; a fleet that is all silent is one story. */
const MAX_PROBLEMS = 100

type Deps = {
  time: Pick<MeshTime, 'clock'>
  planning: Pick<Planning, 'meshes' | 'extents' | 'problemsOf' | 'racks' | 'problem'>
  agents: Pick<MeshAgents, 'delivers' | 'problems' | 'streams'>
  recorder: Pick<Recorder, 'depth' | 'problems'>
  judging: Pick<Judging, 'states' | 'lossy' | 'verdicts'>
  paths: Pick<Paths, 'ends'>
}

/** How the meshes are, for services and metrics. */
export const createOverview = ({ time, planning, agents, judging, recorder, paths }: Deps) => {
  /** What is wrong with the collector's own part, one line each. */
  const problems = (): string[] => [...recorder.problems(), planning.problem()].filter((line) => line !== '')

  const meshOf = (mesh: PlannedMesh, counts: Counts): Mesh => {
    const { name, settings, fabric } = mesh
    const own = [...fabric.problems, ...planning.problemsOf(mesh)]
    const all = [...own, ...fabric.nodes.flatMap(agents.problems), ...problems()]
    const fields = {
      schedule: name,
      spec: settings.spec,
      nodeCount: fabric.nodes.length,
      streamingCount: fabric.nodes.filter(agents.delivers).length,
      problems: all.slice(0, MAX_PROBLEMS),
    }
    return meshMessage(fields, counts, extentOf(mesh))
  }

  /** Of a node that has left, late windows are still taken for a while; it is shown no more. */
  const endsOfMembers = (): ReturnType<Paths['ends']> => {
    const members = new Set([...planning.meshes()].flatMap(({ fabric }) => fabric.nodes))
    return new Map([...paths.ends()].filter(([, { node }]) => members.has(node)))
  }

  return {
    problems,
    get: (): GetMeshResponse => {
      const counts = judging.states.countsByMesh()
      const meshes = [...planning.meshes()].map((mesh) => meshOf(mesh, counts.get(mesh.name) ?? noCounts()))
      return {
        meshes: meshes.sort((a, b) => (a.schedule < b.schedule ? -1 : 1)),
        verdicts: [...judging.verdicts()],
      }
    },
    snapshot: () => ({
      /** By the clock of all that follows. */
      nowMs: time.clock.now().getTime(),
      ends: endsOfMembers(),
      streams: agents.streams(),
      lossy: judging.lossy(),
      waitingWindows: recorder.depth(),
      meshes: planning.extents(),
      racks: planning.racks(),
    }),
  }
}
