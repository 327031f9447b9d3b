import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/logging.ts'
import type { AgentConnection } from './agents.ts'
import type { InventoryNode } from './config.ts'
import { type LastMeasured, type MonitorDeps, MonitoredNode } from './monitored-node.ts'
import type { FleetNode } from './node.ts'

/** Multiples of it, modulo 1, are evenly spread for any count. */
const GOLDEN_RATIO = (Math.sqrt(5) - 1) / 2

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
  close(): Promise<void>
}

export type FleetDeps = {
  clock: Clock
  logger: Logger
  connect: (address: string) => AgentConnection
  lastMeasured: () => Map<string, LastMeasured>
}

/** Calls listeners with the fleet's nodes, once for all changes of one turn of the event loop. */
const createNotifier = (clock: Pick<Clock, 'yield'>, nodes: () => FleetNode[], signal: AbortSignal) => {
  const listeners: ((nodes: FleetNode[]) => void)[] = []
  let isScheduled = false
  return {
    add: (listener: (nodes: FleetNode[]) => void): void => {
      listeners.push(listener)
    },
    schedule: (): void => {
      if (isScheduled) return
      isScheduled = true
      void clock.yield().then(() => {
        isScheduled = false
        if (signal.aborted) return
        const now = nodes()
        for (const listener of listeners) listener(now)
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

export const createFleet = (deps: FleetDeps, inventory: readonly InventoryNode[]): Fleet => {
  const stop = new AbortController()
  let monitored = new Map<string, MonitoredNode>()
  const silent = new Set<MonitoredNode>()
  const removed = createRemovedConnections(deps.clock, stop.signal)
  const background = new Set<Promise<void>>()
  let revision = 0
  let phase = 0

  const nodes = () => {
    const last = deps.lastMeasured()
    return [...monitored.values()].map((node) => node.toNode(last.get(node.name)))
  }
  const notifier = createNotifier(deps.clock, nodes, stop.signal)
  const monitorDeps: MonitorDeps = {
    ...deps,
    silentCount: () => silent.size,
    onStateChange: (node) => {
      if (node.isSilent) silent.add(node)
      else silent.delete(node)
      notifier.schedule()
    },
    onDescriptionChange: () => revision++,
  }
  const track = (work: Promise<void>) => {
    background.add(work)
    void work.finally(() => background.delete(work))
  }
  const add = (node: InventoryNode): MonitoredNode => {
    phase = (phase + GOLDEN_RATIO) % 1
    const added = new MonitoredNode(monitorDeps, node, phase)
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
  const settle = async () => {
    await Promise.all([...monitored.values()].map(({ asked }) => asked))
  }

  return {
    nodes,
    revision: () => revision,
    settled: settle(),
    setInventory,
    onChange: notifier.add,
    refresh: async () => {
      await settle()
      await Promise.all([...monitored.values()].map((node) => node.refresh()))
    },
    connectionStates: () => {
      const states = [...monitored.values()].map(({ connection }) => connection.state())
      return new Map([...Map.groupBy(states, (state) => state)].map(([state, all]) => [state, all.length]))
    },
    connection: (name) => {
      const connection = monitored.get(name)?.connection ?? removed.get(name)
      if (!connection) throw new Error(`${name} is not in the inventory`)
      return connection
    },
    close: async () => {
      stop.abort()
      for (const node of monitored.values()) node.stop()
      await Promise.all(background)
      for (const { connection } of monitored.values()) connection.close()
    },
  }
}
