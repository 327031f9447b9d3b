import { type Node, NodeState } from '#proto/meshgauge/collector/v1/fleet.ts'
import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { NodePlan } from '../assign/planner.ts'
import type { MeshesDeps } from '../deps.ts'
import type { EventPublisher } from '../judge/event-publisher.ts'
import { createEchoCounts } from '../state/echo-counts.ts'
import type { Ingest } from '../state/ingest.ts'
import type { Paths } from '../state/paths.ts'
import type { Recorder } from '../state/recorder.ts'
import type { MeshTime } from '../time.ts'
import { createMeshAgent, type MeshAgent } from './mesh-agent.ts'
import { createDroppedCounts, createOffsets, type PersistedState } from './persisted-state.ts'

/** A path without a window for so many of its windows, and at least so long, is not measured. */
const PATIENT_WINDOWS = 3
const LEAST_PATIENCE_MS = 30_000

type Deps = Pick<MeshesDeps, 'logger' | 'random' | 'fleet' | 'store' | 'observer'> & {
  time: MeshTime
  paths: Paths
  recorder: Recorder
  keeping: PersistedState
  telling: Pick<EventPublisher, 'ofPath' | 'ofAgent'>
}

/** Offsets are kept and shown from the time of day; what they are used for is in the meshes' own. */
const moved = <T extends { offsetMs: number | undefined } | undefined>(given: T, byMs: number): T =>
  given?.offsetMs === undefined ? given : { ...given, offsetMs: given.offsetMs + byMs }

/** The agents of all meshes: each gets what it is to probe, and its paths come and go with that. */
export const createMeshAgents = (deps: Deps) => {
  const { time, logger, observer, paths, recorder, telling } = deps
  const { clock } = time
  const agents = new Map<string, MeshAgent>()
  const ending = new Set<Promise<void>>()
  /** Nodes whose agents answered when the fleet last changed. */
  let ready: ReadonlySet<string> = new Set()
  const echoes = createEchoCounts()
  const offsets = createOffsets(deps.keeping)
  const droppedCounts = createDroppedCounts(deps.keeping)
  const owner = deps.store.identity()

  const release = (plan: NodePlan, keep: ReadonlyMap<number, unknown>): void => {
    const now = clock.now().getTime()
    for (const id of plan.targets.keys()) {
      const path = keep.has(id) ? undefined : paths.get(id)
      if (!path) continue
      path.releasedMs = now
      const { state: before } = path.health
      path.health.state = PathState.PATH_STATE_UNSPECIFIED
      if (before !== PathState.PATH_STATE_DOWN && before !== PathState.PATH_STATE_LOSSY) continue
      telling.ofPath(path, now, { before, state: PathState.PATH_STATE_STALE }, 'it is not probed any more')
    }
  }

  const start = (plan: NodePlan, ingest: Ingest): MeshAgent =>
    createMeshAgent(
      {
        clock,
        logger,
        random: deps.random,
        owner,
        fleet: deps.fleet,
        ingest,
        recorder,
        keptOffset: moved(offsets.of(plan.node), -time.shiftMs()),
        keepOffset: (kept) => offsets.keep(plan.node, moved(kept, time.shiftMs())),
        keptDropped: droppedCounts.of(plan.node),
        keepDropped: (kept) => droppedCounts.keep(plan.node, kept),
        onWindows: observer.observeWindows,
        onDropped: observer.observeDropped,
        onEchoes: (timeMs, count) => echoes.add(plan.node, timeMs, count),
        onDelivering: (isDelivering, why, lastMs) => telling.ofAgent(plan.node, isDelivering, why, lastMs),
      },
      plan,
    )

  const end = (node: string, agent: MeshAgent | undefined): void => {
    agents.delete(node)
    echoes.forget(node)
    const ended = agent?.end().finally(() => ending.delete(ended!))
    if (ended) ending.add(ended)
  }

  const delivers = (node: string): boolean => agents.get(node)?.delivers() ?? false

  return {
    echoes,
    /** Gives a node another plan than it had; without one it has left the meshes. */
    apply: (node: string, plan: NodePlan | undefined, ingest: Ingest): void => {
      const agent = agents.get(node)
      if (agent) release(agent.plan(), plan?.targets ?? new Map())
      if (!plan) {
        end(node, agent)
        return
      }
      for (const [id, { target, windowSeconds, ...rest }] of plan.targets) {
        const patienceMs = Math.max(LEAST_PATIENCE_MS, PATIENT_WINDOWS * windowSeconds * 1000)
        paths.take(id, target, { ...rest, patienceMs })
      }
      observer.observeAssignment()
      if (agent) agent.assign(plan)
      else agents.set(node, start(plan, ingest))
    },
    /** The fleet has changed; perhaps addresses of agents have. */
    follow: (members: ReadonlySet<string>): void => {
      for (const [node, agent] of agents) if (members.has(node)) agent.follow()
    },
    /**
     * How the nodes of the fleet are has changed: those that are back need not wait for their next turn. Those that were
     * there all the time have refused, and wait as before.
     */
    wake: (nodes: readonly Node[]): void => {
      const before = ready
      ready = new Set(
        nodes.flatMap(({ name, state }) => (state === NodeState.NODE_STATE_READY ? [name] : [])),
      )
      for (const name of ready) {
        const agent = before.has(name) ? undefined : agents.get(name)
        if (agent && !agent.delivers()) agent.wake()
      }
    },
    tick: (): void => {
      for (const agent of agents.values()) agent.tick()
    },
    delivers,
    silent: (): ReadonlySet<string> => new Set([...agents.keys()].filter((node) => !delivers(node))),
    troubleOf: (node: string, name: string): string => agents.get(node)?.troubles().get(name) ?? '',
    problems: (node: string): string[] => agents.get(node)?.problems() ?? [],
    streams: () => [...agents.values()].map((agent) => moved(agent.stream(), time.shiftMs())),
    close: async (): Promise<void> => {
      await Promise.all([...ending, ...[...agents.values()].map((agent) => agent.close())])
    },
  }
}

export type MeshAgents = ReturnType<typeof createMeshAgents>
