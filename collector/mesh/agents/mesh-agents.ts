import type { FleetNode } from '../../inventory/node.ts'
import type { NodePlan } from '../assign/assignment.ts'
import type { MeshDependencies } from '../dependencies.ts'
import type { MeshTime } from '../mesh-time.ts'
import { keepCheckingSilence } from './agent-stream.ts'
import { createMeshAgent, type MeshAgent, type MeshAgentDeps } from './mesh-agent.ts'
import {
  createPersistedDroppedCounts,
  createPersistedOffsets,
  type PersistedState,
} from './persisted-state.ts'

type Deps = Pick<MeshDependencies, 'logger' | 'random' | 'fleet' | 'store' | 'observer'> &
  Pick<MeshAgentDeps, 'ingest' | 'recorder'> & {
    time: MeshTime
    persisted: PersistedState
    /** A node's kernel had received this number of ICMP echo requests at this mesh time. */
    onEchoRequests: (node: string, timeMs: number, count: number) => void
    /** An agent has begun or stopped to deliver. @param lastMs end of its last window, mesh time; 0 for none */
    onDelivering: (node: string, delivers: boolean, reason: string, lastMs: number) => void
    /** A node is in no mesh any more. */
    onLeft: (node: string) => void
  }

/** Converts an offset between mesh time, in which it is used, and the wall clock, in which it is stored and shown. */
const moved = <T extends { offsetMs: number | undefined } | undefined>(given: T, byMs: number): T =>
  given?.offsetMs === undefined ? given : { ...given, offsetMs: given.offsetMs + byMs }

/** Returns the agents of all meshes, by node. `apply` adds, changes and removes them. */
export const createMeshAgents = (deps: Deps) => {
  const { time, observer } = deps
  const agents = new Map<string, MeshAgent>()
  const ending = new Set<Promise<void>>()
  /** Nodes whose agents answered when the fleet last changed. */
  let ready: ReadonlySet<string> = new Set()
  const offsets = createPersistedOffsets(deps.persisted)
  const droppedCounts = createPersistedDroppedCounts(deps.persisted)
  const owner = deps.store.identity()
  // The next collector places windows that come again by the stored offsets: they must have the same times again.
  time.onStep((byMs) => {
    for (const [node, offset] of offsets.entries()) if (offset) offsets.set(node, moved(offset, byMs))
  })

  const start = (plan: NodePlan): MeshAgent =>
    createMeshAgent(
      {
        clock: time.clock,
        logger: deps.logger,
        random: deps.random,
        owner,
        fleet: deps.fleet,
        ingest: deps.ingest,
        recorder: deps.recorder,
        persistedOffset: moved(offsets.get(plan.node), -time.shiftMs()),
        persistOffset: (offset) => offsets.set(plan.node, moved(offset, time.shiftMs())),
        persistedDropped: droppedCounts.get(plan.node),
        persistDropped: (dropped) => droppedCounts.set(plan.node, dropped),
        onWindows: observer.observeWindows,
        onDropped: observer.observeDropped,
        onEchoRequests: (timeMs, count) => deps.onEchoRequests(plan.node, timeMs, count),
        onDelivering: (delivers, reason, lastMs) => deps.onDelivering(plan.node, delivers, reason, lastMs),
      },
      plan,
    )

  const end = (node: string): void => {
    const ended = agents
      .get(node)
      ?.end()
      .finally(() => ending.delete(ended!))
    if (ended) ending.add(ended)
    agents.delete(node)
    deps.onLeft(node)
  }

  const stop = new AbortController()
  const checking = keepCheckingSilence(time.clock, () => [...agents.values()], stop.signal)

  const delivers = (node: string): boolean => agents.get(node)?.delivers() ?? false

  return {
    /** Gives a node a new plan; without a plan the node leaves and its agent stops probing. */
    apply: (node: string, plan: NodePlan | undefined): void => {
      if (!plan) {
        end(node)
        return
      }
      observer.observeAssignment()
      const agent = agents.get(node)
      if (agent) agent.assign(plan)
      else agents.set(node, start(plan))
    },
    /** The fleet has changed: reopens the streams of members whose connection has changed. */
    reopenMoved: (members: ReadonlySet<string>): void => {
      for (const [node, agent] of agents) if (members.has(node)) agent.reopenIfMoved()
    },
    /**
     * The states of the nodes have changed: calls the agents of nodes that have become ready. An agent that was ready
     * before has refused the stream, and keeps its backoff.
     */
    wake: (nodes: readonly FleetNode[]): void => {
      const previous = ready
      ready = new Set(nodes.flatMap(({ name, state }) => (state === 'ready' ? [name] : [])))
      for (const name of ready) {
        const agent = previous.has(name) ? undefined : agents.get(name)
        if (agent && !agent.delivers()) agent.wake()
      }
    },
    tick: (): void => {
      for (const agent of agents.values()) agent.processWaiting()
    },
    delivers,
    /** Returns the nodes whose agents do not deliver. */
    silent: (): ReadonlySet<string> => new Set([...agents.keys()].filter((node) => !delivers(node))),
    /** Returns why a node cannot probe from an interface; empty when it can. */
    interfaceProblem: (node: string, name: string): string =>
      agents.get(node)?.interfaceProblems().get(name) ?? '',
    /** Returns why a node does not probe a path; empty when it does. */
    pathProblem: (node: string, id: number): string => agents.get(node)?.pathProblem(id) ?? '',
    problems: (node: string): string[] => agents.get(node)?.problems() ?? [],
    /** Returns the state of each stream, with clock offsets relative to the wall clock. */
    streams: () => [...agents.values()].map((agent) => moved(agent.status(), time.shiftMs())),
    close: async (): Promise<void> => {
      stop.abort()
      await checking
      await Promise.all([...ending, ...[...agents.values()].map((agent) => agent.close())])
    },
  }
}

export type MeshAgents = ReturnType<typeof createMeshAgents>
