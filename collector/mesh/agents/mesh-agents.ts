import type { FleetNode } from '../../inventory/node.ts'
import { isReady } from '../../inventory/selectors.ts'
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

/**
 * Up to this number of nodes that do not answer, their streams are opened again and again. Above it, only nodes that have
 * answered the inventory's calls get a stream: thousands of failing calls would block the event loop.
 */
const MAX_SILENT_CALLED = 200

const NO_PROBLEMS: ReadonlyMap<number, string> = new Map()

/** Which agents can be called, from the last state of the fleet. */
const createReachability = () => {
  let ready: ReadonlySet<string> = new Set()
  let foreign: ReadonlySet<string> = new Set()
  const namesOf = (nodes: readonly FleetNode[], holds: (node: FleetNode) => boolean): ReadonlySet<string> =>
    new Set(nodes.filter(holds).map(({ name }) => name))
  return {
    mayReach: (node: string, agentCount: number): boolean =>
      !foreign.has(node) && (ready.has(node) || agentCount - ready.size <= MAX_SILENT_CALLED),
    /** Returns the nodes at whose address the agent of another node answers, and which have become ready. */
    update: (nodes: readonly FleetNode[]) => {
      const previous = ready
      ready = namesOf(nodes, isReady)
      foreign = namesOf(nodes, ({ hasForeignAgent }) => hasForeignAgent)
      const isNewlyReady = (node: FleetNode): boolean => isReady(node) && !previous.has(node.name)
      return { foreign, isNewlyReady }
    },
  }
}

/** Converts an offset between mesh time, in which it is used, and the wall clock, in which it is stored and shown. */
const moved = <T extends { offsetMs: number | undefined } | undefined>(given: T, byMs: number): T =>
  given?.offsetMs === undefined ? given : { ...given, offsetMs: given.offsetMs + byMs }

/** Returns the agents of all meshes, by node. `apply` adds, changes and removes them. */
export const createMeshAgents = (deps: Deps) => {
  const { time, observer } = deps
  const agents = new Map<string, MeshAgent>()
  const ending = new Set<Promise<void>>()
  const reachability = createReachability()
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
        ...deps,
        clock: time.clock,
        owner,
        mayReach: () => reachability.mayReach(plan.node, agents.size),
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
      const agent = agents.get(node)
      if (plan) observer.observeAssignment()
      if (!plan) end(node)
      else if (agent) agent.assign(plan)
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
      const { foreign, isNewlyReady } = reachability.update(nodes)
      for (const name of foreign) agents.get(name)?.release()
      for (const { name } of nodes.filter(isNewlyReady)) {
        const agent = agents.get(name)
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
    /** Returns the paths that a node does not probe, and why. */
    pathProblems: (node: string): ReadonlyMap<number, string> =>
      agents.get(node)?.pathProblems() ?? NO_PROBLEMS,
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
