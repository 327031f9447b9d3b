import { isDeepStrictEqual } from 'node:util'
import type { DescribeResponse } from '#proto/meshgauge/agent/v1/agent.ts'
import { type Node, NodeState } from '#proto/meshgauge/collector/v1/fleet.ts'
import type { Clock } from '../../lib/clock.ts'
import { describeCallError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logging.ts'
import { toTimestamp } from '../../lib/protobuf-time.ts'
import type { AgentConnection } from './agents.ts'
import type { InventoryNode } from './config.ts'
import { describe, isUnavailable } from './describe.ts'

/** How often each agent is asked how it is. A node that came back is seen after this long at the latest. */
const DESCRIBE_SECONDS = 10
/** While a node is silent it is asked more often: someone may be waiting for it. */
const SILENT_SECONDS = 2
/** But all that are silent together so often a second at most: where thousands are dead for days, each waits longer. */
const SILENT_PER_SECOND = 100

/** Multiples of it, modulo 1, are spread evenly however many there are. */
const GOLDEN_RATIO = (Math.sqrt(5) - 1) / 2

/** A run that began while a node was in the inventory may still use its connection; none takes longer than that. */
const DEPARTED_SECONDS = 3600

/** Names of the nodes that came, went, or are described otherwise. */
export type InventoryChange = { added: string[]; removed: string[]; changed: string[] }

/** When something was last measured from or to a node. */
type LastMeasured = { ping?: Date; iperf?: Date }

type Entry = {
  inventory: InventoryNode
  connection: AgentConnection
  /** Aborted when the node has left the inventory, or the fleet is closed. */
  gone: AbortController
  /** Resolves when the agent has been asked once. */
  asked: Promise<void>
  state: NodeState
  reason: string
  /** There is no connection at all, so nothing can be under way over it. */
  unconnected: boolean
  lastSeen: Date | undefined
  description: DescribeResponse | undefined
  /** Interfaces that have had an address: one that goes down loses it, and is measured all the same. */
  measured: Set<string>
}

/** The nodes of the inventory with a connection to each agent, kept up to date. */
export type Fleet = {
  /** All nodes as they are now, in the order of the inventory. */
  nodes(): Node[]
  /** Counts up whenever nodes come or go, or an agent says something else of its labels or interfaces than before. */
  revision(): number
  /** The connection to a node's agent; the node must be of the inventory, now or within the last hour. */
  connection(node: string): AgentConnection
  /** How many channels to agents are in each state. */
  connectionStates(): ReadonlyMap<string, number>
  /** Resolves when every agent has been asked once. */
  settled: Promise<void>
  /** Calls the listener soon after nodes have come, gone or changed their state; once for many changes of one moment. */
  onChange(listener: (nodes: Node[]) => void): void
  /** Puts another inventory in place of this one; nodes that stay as they are keep all that is known of them. */
  setInventory(inventory: readonly InventoryNode[]): InventoryChange
  /** Asks every agent anew: what is measured must not rest on what was true ten seconds ago. */
  refresh(): Promise<void>
  close(): Promise<void>
}

const toNode = (entry: Entry, last: LastMeasured | undefined): Node => {
  const { inventory, description } = entry
  return {
    name: inventory.name,
    address: inventory.address,
    labels: { ...description?.labels, ...inventory.labels },
    rack: inventory.rack || description?.labels.rack || '',
    state: entry.state,
    stateReason: entry.reason,
    lastSeenTime: entry.lastSeen && toTimestamp(entry.lastSeen),
    description,
    interfaces: inventory.interfaces.length > 0 ? inventory.interfaces : [...entry.measured],
    lastPingTime: last?.ping && toTimestamp(last.ping),
    lastIperfTime: last?.iperf && toTimestamp(last.iperf),
  }
}

const newEntry = (inventory: InventoryNode, connection: AgentConnection): Entry => ({
  inventory,
  connection,
  gone: new AbortController(),
  asked: Promise.resolve(),
  state: NodeState.NODE_STATE_UNSPECIFIED,
  reason: '',
  unconnected: false,
  lastSeen: undefined,
  description: undefined,
  measured: new Set<string>(),
})

export type FleetDeps = {
  clock: Clock
  logger: Logger
  connect: (address: string) => AgentConnection
  lastMeasured: () => Map<string, LastMeasured>
}

/** Asks one agent how it is, again and again, until its node is gone. */
const keepAsking = async (
  { clock, silentCount }: { clock: Clock; silentCount: () => number },
  entry: Entry,
  ask: (entry: Entry) => Promise<void>,
  /** From 0 to 1: its own part of the time between two questions. */
  phase: number,
) => {
  const { signal } = entry.gone
  // All are asked at once in the beginning, and then one after the other: a thousand answers in one moment are a block.
  let share = phase
  while (!signal.aborted) {
    await ask(entry)
    const ready = entry.state === NodeState.NODE_STATE_READY
    const silentSeconds = Math.max(SILENT_SECONDS, (silentCount() / SILENT_PER_SECOND) * (0.5 + phase))
    await clock.sleep(ready ? share * DESCRIBE_SECONDS : silentSeconds, signal).catch(() => undefined)
    if (ready) share = 1
  }
}

/** What of a description decides who measures whom. */
const factsOf = (description: DescribeResponse | undefined): string =>
  description
    ? JSON.stringify([
        description.labels,
        description.interfaces.map(({ name, addresses }) => [name, addresses]),
      ])
    : ''

export const createFleet = (deps: FleetDeps, inventory: readonly InventoryNode[]): Fleet => {
  const stop = new AbortController()
  let entries = new Map<string, Entry>()
  const departed = new Map<string, AgentConnection>()
  const silent = new Set<Entry>()
  const background = new Set<Promise<void>>()
  const listeners: ((nodes: Node[]) => void)[] = []
  let isChangeTold = true
  let revision = 0
  let phase = 0

  const nodes = () => {
    const last = deps.lastMeasured()
    return [...entries.values()].map((entry) => toNode(entry, last.get(entry.inventory.name)))
  }
  const tellChange = () => {
    if (!isChangeTold) return
    isChangeTold = false
    void deps.clock.yield().then(() => {
      isChangeTold = true
      if (stop.signal.aborted) return
      const now = nodes()
      for (const listener of listeners) listener(now)
    })
  }

  const ask = async (entry: Entry) => {
    const before = entry.state
    const { signal } = entry.gone
    const known = factsOf(entry.description)
    try {
      const isTwice = before === NodeState.NODE_STATE_READY
      entry.description = await describe(deps.clock, entry.connection, isTwice, signal)
      for (const { name, addresses } of entry.description.interfaces) {
        if (addresses.length > 0) entry.measured.add(name)
      }
      entry.lastSeen = deps.clock.now()
      entry.state = NodeState.NODE_STATE_READY
      silent.delete(entry)
      entry.reason = ''
      entry.unconnected = false
      if (factsOf(entry.description) !== known) revision++
    } catch (error) {
      if (signal.aborted) return
      entry.state = NodeState.NODE_STATE_SILENT
      silent.add(entry)
      entry.reason = describeCallError(error)
      entry.unconnected = isUnavailable(error)
    }
    if (entry.state === before) return
    const node = entry.inventory.name
    if (entry.state === NodeState.NODE_STATE_READY) deps.logger.info({ node }, 'agent answers')
    else deps.logger.warn({ node, reason: entry.reason }, 'agent does not answer')
    tellChange()
  }

  const run = (work: Promise<void>) => {
    background.add(work)
    void work.finally(() => background.delete(work))
  }
  const add = (node: InventoryNode): Entry => {
    const entry = newEntry(node, deps.connect(node.address))
    const { promise, resolve } = Promise.withResolvers<void>()
    entry.asked = promise
    phase = (phase + GOLDEN_RATIO) % 1
    const given = { clock: deps.clock, silentCount: () => silent.size }
    run(keepAsking(given, entry, (each) => ask(each).finally(resolve), phase))
    return entry
  }
  const remove = (entry: Entry) => {
    const { inventory, gone, connection } = entry
    const { name } = inventory
    silent.delete(entry)
    gone.abort()
    departed.get(name)?.close()
    departed.set(name, connection)
    const closeLater = async () => {
      await deps.clock.sleep(DEPARTED_SECONDS, stop.signal).catch(() => undefined)
      connection.close()
      if (departed.get(name) === connection) departed.delete(name)
    }
    run(closeLater())
  }

  const setInventory = (wanted: readonly InventoryNode[]): InventoryChange => {
    const before = entries
    const change: InventoryChange = { added: [], removed: [], changed: [] }
    revision++
    entries = new Map(
      wanted.map((node) => {
        const { name } = node
        const known = before.get(name)
        if (!known) change.added.push(name)
        else if (!isDeepStrictEqual(known.inventory, node)) change.changed.push(name)
        if (known?.inventory.address !== node.address) {
          if (known) remove(known)
          return [name, add(node)]
        }
        known.inventory = node
        return [name, known]
      }),
    )
    for (const [name, entry] of before) {
      if (entries.has(name)) continue
      change.removed.push(name)
      remove(entry)
    }
    if (change.added.length + change.removed.length + change.changed.length > 0) tellChange()
    return change
  }

  setInventory(inventory)
  const settle = async () => {
    await Promise.all([...entries.values()].map(({ asked }) => asked))
  }
  const settled = settle()

  return {
    nodes,
    revision: () => revision,
    settled,
    setInventory,
    onChange: (listener) => {
      listeners.push(listener)
    },
    refresh: async () => {
      await settle()
      await Promise.all(
        [...entries.values()].map((entry) => {
          // A connection that failed waits before it tries again; whoever asks now should not wait with it.
          if (entry.unconnected) {
            entry.connection.close()
            entry.connection = deps.connect(entry.inventory.address)
          }
          return ask(entry)
        }),
      )
    },
    connectionStates: () => {
      const counts = new Map<string, number>()
      for (const { connection } of entries.values())
        counts.set(connection.state(), (counts.get(connection.state()) ?? 0) + 1)
      return counts
    },
    connection: (node) => {
      const connection = entries.get(node)?.connection ?? departed.get(node)
      if (!connection) throw new Error(`${node} is not in the inventory`)
      return connection
    },
    close: async () => {
      stop.abort()
      for (const { gone } of entries.values()) gone.abort()
      await Promise.all(background)
      for (const { connection } of entries.values()) connection.close()
    },
  }
}
