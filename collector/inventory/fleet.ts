import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/logging.ts'
import { nameKey } from './agent-address.ts'
import type { AgentConnection } from './agents.ts'
import type { InventoryNode } from './config.ts'
import { createTurns, reportFirstCalls } from './first-calls.ts'
import { type LastMeasured, type MonitorDeps, MonitoredNode } from './monitored-node.ts'
import type { FleetNode } from './node.ts'
import { singleFlight } from './single-flight.ts'

/** Largest share of a core that listeners of changes use. */
const NOTIFY_SHARE = 0.1
/** How long the connection to a removed node stays open for runs that use it; no run takes longer. */
const REMOVED_SECONDS = 3600

/** Names of the nodes that were added, removed, or changed. */
export type InventoryChange = { added: string[]; removed: string[]; changed: string[] }

/** The nodes of the inventory, with a connection to each agent and what it last reported. */
export type Fleet = {
  /** Returns all nodes as they are now, in the order of the inventory. */
  nodes(): FleetNode[]
  /** Increases when nodes are added or removed, or an agent reports other labels, interfaces or addresses. */
  revision(): number
  /** Returns the connection to a node's agent; the node must be in the inventory, now or within the last hour. */
  connection(node: string): AgentConnection
  /** Returns the number of channels to agents in each state. */
  connectionStates(): ReadonlyMap<string, number>
  /** Resolves when every agent has been asked once. */
  settled: Promise<void>
  /** Calls the listener after nodes were added, removed or changed their state; once for all changes of one moment. */
  onChange(listener: (nodes: FleetNode[]) => void): void
  /** Replaces the inventory. Nodes that keep their address keep their connection and description. */
  setInventory(inventory: readonly InventoryNode[]): InventoryChange
  /** Asks every agent again: a run must not be planned with what was true 10 s ago. */
  refresh(): Promise<void>
  /** Asks no agent any more. The connections stay open. */
  stopAsking(): void
  close(): Promise<void>
}

export type FleetDeps = {
  clock: Clock
  logger: Logger
  connect: (address: string) => AgentConnection
  lastMeasured: () => Map<string, LastMeasured>
}

/**
 * Calls listeners with the fleet's nodes, once for all changes of one turn of the event loop. The listeners of a large
 * fleet take long; the next call is then later, so that they use at most NOTIFY_SHARE of a core.
 */
const createNotifier = (clock: Clock, nodes: () => FleetNode[], signal: AbortSignal) => {
  const listeners: ((nodes: FleetNode[]) => void)[] = []
  let isScheduled = false
  let nextSeconds = Number.NEGATIVE_INFINITY
  const waitForTurn = async (): Promise<void> => {
    const seconds = nextSeconds - clock.monotonicSeconds()
    if (seconds > 0) await clock.sleep(seconds, signal).catch(() => undefined)
    else await clock.yield()
  }
  return {
    add: (listener: (nodes: FleetNode[]) => void): void => {
      listeners.push(listener)
    },
    schedule: (): void => {
      if (isScheduled) return
      isScheduled = true
      void waitForTurn().then(() => {
        isScheduled = false
        if (signal.aborted) return
        const startSeconds = clock.monotonicSeconds()
        const now = nodes()
        for (const listener of listeners) listener(now)
        const endSeconds = clock.monotonicSeconds()
        nextSeconds = endSeconds + (endSeconds - startSeconds) * (1 / NOTIFY_SHARE - 1)
      })
    },
  }
}

/** Holds the connections of removed nodes open for a while. */
const createRemovedConnections = (clock: Clock, signal: AbortSignal) => {
  const connections = new Map<string, AgentConnection>()
  return {
    get: (node: string) => connections.get(node),
    /** Resolves when the connection is closed. */
    add: async (node: string, connection: AgentConnection): Promise<void> => {
      connections.get(node)?.close()
      connections.set(node, connection)
      await clock.sleep(REMOVED_SECONDS, signal).catch(() => undefined)
      connection.close()
      if (connections.get(node) === connection) connections.delete(node)
    },
  }
}

/** Remembers the work that must end before the fleet is closed. */
const createBackground = () => {
  const running = new Set<Promise<void>>()
  return {
    track: (work: Promise<void>): void => {
      running.add(work)
      void work.finally(() => running.delete(work))
    },
    ended: async (): Promise<void> => {
      await Promise.all(running)
    },
  }
}

/** The number of nodes whose channel is in each state. */
const countStates = (nodes: Iterable<MonitoredNode>): Map<string, number> => {
  const counts = new Map<string, number>()
  for (const node of nodes) {
    const state = node.channelState()
    counts.set(state, (counts.get(state) ?? 0) + 1)
  }
  return counts
}

export const createFleet = (deps: FleetDeps, inventory: readonly InventoryNode[]): Fleet => {
  const stop = new AbortController()
  const stopAsking = new AbortController()
  let monitored = new Map<string, MonitoredNode>()
  const silent = new Set<MonitoredNode>()
  const removed = createRemovedConnections(deps.clock, stop.signal)
  const { track, ended } = createBackground()
  let names = new Map<string, string>()
  let revision = 0
  const nodes = () => {
    const last = deps.lastMeasured()
    return [...monitored.values()].map((node) => node.toNode(last.get(node.name)))
  }
  const notifier = createNotifier(deps.clock, nodes, stop.signal)
  const monitorDeps: MonitorDeps = {
    ...deps,
    nodeNamed: (name) => names.get(nameKey(name)),
    silentCount: () => silent.size,
    onStateChange: (node) => {
      silent[node.isSilent ? 'add' : 'delete'](node)
      notifier.schedule()
    },
    onDescriptionChange: () => revision++,
  }
  const turns = createTurns(deps.clock, stopAsking.signal)
  const add = (node: InventoryNode): MonitoredNode => {
    const added = new MonitoredNode(monitorDeps, node, turns.next())
    track(added.stopped)
    return added
  }
  const remove = (node: MonitoredNode) => {
    silent.delete(node)
    node.stop()
    track(removed.add(node.name, node.connection))
  }

  const setInventory = (wanted: readonly InventoryNode[]): InventoryChange => {
    const before = monitored
    const change: InventoryChange = { added: [], removed: [], changed: [] }
    revision++
    names = new Map(wanted.map(({ name }) => [nameKey(name), name]))
    monitored = new Map(
      wanted.map((node) => {
        const known = before.get(node.name)
        if (!known) change.added.push(node.name)
        else if (!isDeepStrictEqual(known.inventory, node)) change.changed.push(node.name)
        if (known?.inventory.address !== node.address) {
          if (known) remove(known)
          return [node.name, add(node)]
        }
        known.inventory = node
        return [node.name, known]
      }),
    )
    for (const [name, node] of before) {
      if (monitored.has(name)) continue
      change.removed.push(name)
      remove(node)
    }
    if (Object.values(change).some((names) => names.length > 0)) notifier.schedule()
    return change
  }

  setInventory(inventory)
  const endCalls = () => {
    stopAsking.abort()
    for (const node of monitored.values()) node.stop()
  }
  const forAll = async (act: (node: MonitoredNode) => Promise<void>) => {
    await Promise.all([...monitored.values()].map(act))
  }
  const settle = () => forAll(({ asked }) => asked)
  const settled = settle()
  track(reportFirstCalls(deps, nodes, settled, stop.signal))

  return {
    nodes,
    revision: () => revision,
    settled,
    setInventory,
    onChange: notifier.add,
    refresh: singleFlight(async () => {
      await settle()
      await forAll((node) => node.refresh())
    }),
    connectionStates: () => countStates(monitored.values()),
    connection: (name) => {
      const connection = monitored.get(name)?.connection ?? removed.get(name)
      if (!connection) throw new Error(`${name} is not in the inventory`)
      return connection
    },
    stopAsking: endCalls,
    close: async () => {
      stop.abort()
      endCalls()
      await ended()
      for (const node of monitored.values()) node.close()
    },
  }
}
