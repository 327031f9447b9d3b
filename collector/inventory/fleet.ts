import { ClientError, Status } from 'nice-grpc'
import type { DescribeResponse } from '#proto/meshgauge/agent/v1/agent.ts'
import { type Node, NodeState } from '#proto/meshgauge/collector/v1/fleet.ts'
import type { Clock } from '../../lib/clock.ts'
import { describeCallError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logging.ts'
import { toTimestamp } from '../../lib/protobuf-time.ts'
import type { AgentConnection } from './agents.ts'
import type { InventoryNode } from './config.ts'

/** How often each agent is asked how it is. A node that came back is seen after this long at the latest. */
const DESCRIBE_SECONDS = 10
/** While a node is silent it is asked more often: someone may be waiting for it. */
const SILENT_SECONDS = 2
const DESCRIBE_DEADLINE_MS = 5_000

/** When something was last measured from or to a node. */
type LastMeasured = { ping?: Date; iperf?: Date }

type Entry = {
  inventory: InventoryNode
  connection: AgentConnection
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
  /** The connection to a node's agent; the node must be of the inventory. */
  connection(node: string): AgentConnection
  /** How many channels to agents are in each state. */
  connectionStates(): ReadonlyMap<string, number>
  /** Resolves when every agent has been asked once. */
  settled: Promise<void>
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

export const createFleet = (
  deps: {
    clock: Clock
    logger: Logger
    connect: (address: string) => AgentConnection
    lastMeasured: () => Map<string, LastMeasured>
    onChange: (nodes: Node[]) => void
  },
  inventory: readonly InventoryNode[],
): Fleet => {
  const stop = new AbortController()
  const entries = new Map<string, Entry>(
    inventory.map((node) => [
      node.name,
      {
        inventory: node,
        connection: deps.connect(node.address),
        state: NodeState.NODE_STATE_UNSPECIFIED,
        reason: '',
        unconnected: false,
        lastSeen: undefined,
        description: undefined,
        measured: new Set<string>(),
      },
    ]),
  )
  const nodes = () => {
    const last = deps.lastMeasured()
    return [...entries.values()].map((entry) => toNode(entry, last.get(entry.inventory.name)))
  }

  const ask = async (entry: Entry) => {
    const before = entry.state
    try {
      entry.description = await entry.connection.agent.describe(
        {},
        { deadline: DESCRIBE_DEADLINE_MS, signal: stop.signal },
      )
      for (const { name, addresses } of entry.description.interfaces) {
        if (addresses.length > 0) entry.measured.add(name)
      }
      entry.lastSeen = deps.clock.now()
      entry.state = NodeState.NODE_STATE_READY
      entry.reason = ''
      entry.unconnected = false
    } catch (error) {
      if (stop.signal.aborted) return
      entry.state = NodeState.NODE_STATE_SILENT
      entry.reason = describeCallError(error)
      entry.unconnected = error instanceof ClientError && error.code === Status.UNAVAILABLE
    }
    if (entry.state === before) return
    const node = entry.inventory.name
    if (entry.state === NodeState.NODE_STATE_READY) deps.logger.info({ node }, 'agent answers')
    else deps.logger.warn({ node, reason: entry.reason }, 'agent does not answer')
    deps.onChange(nodes())
  }

  const keepAsking = async (entry: Entry) => {
    while (!stop.signal.aborted) {
      const ready = entry.state === NodeState.NODE_STATE_READY
      await deps.clock.sleep(ready ? DESCRIBE_SECONDS : SILENT_SECONDS, stop.signal).catch(() => undefined)
      if (!stop.signal.aborted) await ask(entry)
    }
  }

  const first = [...entries.values()].map((entry) => ask(entry))
  const settled = Promise.all(first).then(() => undefined)
  const loops = [...entries.values()].map((entry, index) => first[index]!.then(() => keepAsking(entry)))

  return {
    nodes,
    settled,
    refresh: async () => {
      await settled
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
      const entry = entries.get(node)
      if (!entry) throw new Error(`${node} is not in the inventory`)
      return entry.connection
    },
    close: async () => {
      stop.abort()
      await Promise.all(loops)
      for (const { connection } of entries.values()) connection.close()
    },
  }
}
