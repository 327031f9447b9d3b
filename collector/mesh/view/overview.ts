import { type GetMeshResponse, type Mesh, PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import { toDuration } from '../../../lib/protobuf-time.ts'
import { judgementMessage } from '../../diagnosis/judgement-message.ts'
import { verdictMessage } from '../../diagnosis/verdict-message.ts'
import type { MeshAgents } from '../agents/mesh-agents.ts'
import type { Recorder } from '../agents/recorder.ts'
import { meshSpecMessage } from '../assign/mesh-spec-message.ts'
import { extentOf, type FleetPlanner, type PlannedMesh } from '../assign/planner.ts'
import type { Evaluator } from '../judge/evaluator.ts'
import { answerOfMeshes } from '../judge/mesh-answer.ts'
import type { ReportedInterfaces } from '../judge/reported-interfaces.ts'
import type { MeshTime } from '../mesh-time.ts'
import { noCounts, type PathCounts, type PathStates, type Paths } from '../state/paths.ts'

/** Maximum number of problems per mesh: when a large fleet is disconnected, the first 100 lines are enough. */
const MAX_PROBLEMS = 100

type Deps = {
  time: Pick<MeshTime, 'clock'>
  planner: Pick<FleetPlanner, 'meshes' | 'extents' | 'problemsOf' | 'racks' | 'problem'>
  agents: Pick<MeshAgents, 'delivers' | 'problems' | 'streams'>
  recorder: Pick<Recorder, 'depth' | 'problems'>
  evaluator: Pick<Evaluator, 'lossy' | 'verdicts'>
  pathStates: Pick<PathStates, 'countsByMesh' | 'unobserved'>
  paths: Pick<Paths, 'interfaces'>
  reported: Pick<ReportedInterfaces, 'evidence'>
}

const sumOf = (all: readonly PathCounts[]): PathCounts => {
  const sum = noCounts()
  for (const counts of all)
    for (const state of Object.keys(sum).map(Number) as (keyof PathCounts)[]) sum[state] += counts[state]
  return sum
}

/** Returns the state of all meshes for the API (`get`) and for the metrics (`snapshot`). */
export const createOverview = (deps: Deps) => {
  const { time, planner, agents, recorder, evaluator, pathStates, paths, reported } = deps
  /** Returns the problems of the collector itself, one line each. */
  const problems = (): string[] => [...recorder.problems(), planner.problem()].filter((line) => line !== '')

  const meshOf = (mesh: PlannedMesh, counts: PathCounts): Mesh => {
    const { name, spec, members } = mesh
    const ofMesh = [
      ...members.problems,
      ...planner.problemsOf(mesh),
      ...members.nodes.flatMap(agents.problems),
    ]
    const { peers, coverSeconds } = extentOf(mesh)
    return {
      schedule: name,
      spec: meshSpecMessage(spec),
      nodeCount: members.nodes.length,
      streamingCount: members.nodes.filter(agents.delivers).length,
      problems: [...ofMesh, ...problems()].slice(0, MAX_PROBLEMS),
      pathCount: Object.values(counts).reduce((sum, count) => sum + count, 0),
      upCount: counts[PathState.PATH_STATE_UP],
      lossyCount: counts[PathState.PATH_STATE_LOSSY],
      downCount: counts[PathState.PATH_STATE_DOWN],
      staleCount: counts[PathState.PATH_STATE_STALE],
      peerCount: peers,
      coverageTime: coverSeconds === undefined ? undefined : toDuration(coverSeconds),
    }
  }

  /** Interfaces of nodes that have left are kept for late windows, but not shown. */
  const interfacesOfMembers = (): ReturnType<Paths['interfaces']> => {
    const members = new Set([...planner.meshes()].flatMap(({ members }) => members.nodes))
    return new Map([...paths.interfaces()].filter(([, { node }]) => members.has(node)))
  }

  return {
    problems,
    /** Returns the current verdicts, the most confident first. */
    verdicts: evaluator.verdicts.bind(evaluator),
    get: (): GetMeshResponse => {
      const planned = [...planner.meshes()]
      const counts = pathStates.countsByMesh()
      const meshes = planned.map((mesh) => meshOf(mesh, counts.get(mesh.name) ?? noCounts()))
      return {
        meshes: meshes.sort((a, b) => (a.schedule < b.schedule ? -1 : 1)),
        verdicts: evaluator.verdicts().map(verdictMessage),
        judgement: judgementMessage(
          answerOfMeshes({
            verdicts: evaluator.verdicts(),
            counts: sumOf([...counts.values()]),
            unobserved: pathStates.unobserved(),
            local: reported.evidence(),
            leftOut: planned.flatMap(({ members }) => members.problems),
          }),
        ),
      }
    },
    snapshot: () => ({
      /** Mesh time, as all times in the snapshot. */
      nowMs: time.clock.now().getTime(),
      interfaces: interfacesOfMembers(),
      streams: agents.streams(),
      lossy: evaluator.lossy(),
      waitingWindows: recorder.depth(),
      meshes: planner.extents(),
      racks: planner.racks(),
    }),
  }
}
