import type { Clock } from '../../lib/clock.ts'
import { describeCallError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logging.ts'
import { withoutSpans } from '../../lib/rpc-tracing.ts'
import type { AgentConnection } from './agents.ts'
import type { InventoryNode } from './config.ts'
import { describe, isUnavailable } from './describe.ts'
import { identityProblem } from './identity.ts'
import type { FleetNode, NodeDescription, NodeState } from './node.ts'

/** Time between two Describe calls to an agent that answers. A node that comes back is seen after at most this time. */
const DESCRIBE_SECONDS = 10
/** A silent node is asked more often, because a user may wait for it. */
const SILENT_SECONDS = 2
/** Most Describe calls per second to all silent nodes together: with more of them, each waits longer. */
const SILENT_PER_SECOND = 100

/** When a node is asked. */
export type Timing = {
  /** From 0 to 1: its place in the time between two calls. */
  phase: number
  /** Resolves when the first call may start; undefined for now. */
  turn: Promise<void> | undefined
}

/** When something was last measured from or to a node. */
export type LastMeasured = { ping?: Date; iperf?: Date }

export type MonitorDeps = {
  clock: Clock
  logger: Logger
  connect: (address: string) => AgentConnection
  /** The node of the inventory that has a name. */
  nodeNamed: (name: string) => string | undefined
  /** How many nodes of the fleet are silent. */
  silentCount: () => number
  onStateChange: (node: MonitoredNode) => void
  /** The agent reports other labels, interfaces or addresses than before. */
  onDescriptionChange: () => void
}

/** The parts of a description that decide which pairs exist. */
const factsOf = (description: NodeDescription | undefined): string =>
  description
    ? JSON.stringify([
        description.labels,
        description.interfaces.map(({ name, addresses }) => [name, addresses]),
      ])
    : ''

/** One node of the inventory: its connection, and what its agent last reported. It queries the agent at intervals until `stop`. */
export class MonitoredNode {
  inventory: InventoryNode
  /** Resolves when the agent has been queried once. */
  readonly asked: Promise<void>
  /** Resolves when the node is stopped. */
  readonly stopped: Promise<void>
  readonly #deps: MonitorDeps
  readonly #stop = new AbortController()
  /** Opened when it is first used: 10,000 channels at once would block the event loop. */
  #connection: AgentConnection | undefined
  #state: NodeState = 'unspecified'
  #stateReason = ''
  #hasForeignAgent = false
  #lastSeen: Date | undefined
  #description: NodeDescription | undefined
  /**
   * Interfaces that have had an address. One that goes down loses its address, and is still measured. One that the agent
   * no longer reports was removed or renamed.
   */
  readonly #interfaces = new Set<string>()

  constructor(deps: MonitorDeps, inventory: InventoryNode, { phase, turn }: Timing) {
    this.#deps = deps
    this.inventory = inventory
    const { promise, resolve } = Promise.withResolvers<void>()
    this.asked = promise
    this.stopped = withoutSpans(() => this.#poll({ phase, turn }, resolve))
  }

  get name(): string {
    return this.inventory.name
  }

  get isSilent(): boolean {
    return this.#state === 'silent'
  }

  get connection(): AgentConnection {
    this.#connection ??= this.#deps.connect(this.inventory.address)
    return this.#connection
  }

  /** The state of the channel. */
  channelState(): string {
    return this.#connection?.state() ?? 'idle'
  }

  /** Closes the connection, if there is one. */
  close(): void {
    this.#connection?.close()
  }

  /** Stops asking. The connection stays open. */
  stop(): void {
    this.#stop.abort()
  }

  /** Queries the agent now. */
  refresh(): Promise<void> {
    return this.#ask()
  }

  toNode(last: LastMeasured | undefined): FleetNode {
    const { inventory } = this
    const description = this.#description
    return {
      name: inventory.name,
      address: inventory.address,
      labels: { ...description?.labels, ...inventory.labels },
      rack: inventory.rack || description?.labels.rack || '',
      state: this.#state,
      stateReason: this.#stateReason,
      hasForeignAgent: this.#hasForeignAgent,
      lastSeenTime: this.#lastSeen,
      description,
      interfaces: inventory.interfaces.length > 0 ? inventory.interfaces : [...this.#interfaces],
      lastPingTime: last?.ping,
      lastIperfTime: last?.iperf,
    }
  }

  async #poll({ phase, turn }: Timing, onAsked: () => void): Promise<void> {
    const { signal } = this.#stop
    const { clock, silentCount } = this.#deps
    // All agents are asked at once at the start, then spread evenly: 1,000 answers at once would block the event loop.
    let share = phase
    await turn
    if (signal.aborted) onAsked()
    while (!signal.aborted) {
      await this.#ask().finally(onAsked)
      const isReady = this.#state === 'ready'
      const silentSeconds = Math.max(SILENT_SECONDS, (silentCount() / SILENT_PER_SECOND) * (0.5 + phase))
      await clock.sleep(isReady ? share * DESCRIBE_SECONDS : silentSeconds, signal).catch(() => undefined)
      if (isReady) share = 1
    }
  }

  async #ask(): Promise<void> {
    const { clock, logger } = this.#deps
    const { signal } = this.#stop
    const before = {
      state: this.#state,
      hasForeignAgent: this.#hasForeignAgent,
      facts: factsOf(this.#description),
    }
    try {
      const retries = before.state === 'ready'
      this.#accept(await describe(clock, this.connection, retries, signal))
    } catch (error) {
      if (signal.aborted) return
      this.#hasForeignAgent = false
      this.#state = 'silent'
      this.#stateReason = describeCallError(error)
      if (isUnavailable(error)) this.#disconnect()
    }
    if (factsOf(this.#description) !== before.facts) this.#deps.onDescriptionChange()
    if (this.#state === before.state && this.#hasForeignAgent === before.hasForeignAgent) return
    if (this.isSilent) logger.warn({ node: this.name, reason: this.#stateReason }, 'agent does not answer')
    else logger.info({ node: this.name }, 'agent answers')
    this.#deps.onStateChange(this)
  }

  /** Closes a channel without a connection: it needs 75 KB, and would wait before it tries again. No call uses it. */
  #disconnect(): void {
    this.#connection?.close()
    this.#connection = undefined
  }

  #accept(description: NodeDescription): void {
    const problem = identityProblem(this.inventory, description, this.#deps.nodeNamed)
    this.#hasForeignAgent = problem !== ''
    if (problem !== '') {
      // What the agent reports is about another machine.
      this.#description = undefined
      this.#interfaces.clear()
      this.#state = 'silent'
      this.#stateReason = problem
      return
    }
    this.#description = description
    const reported = new Set(description.interfaces.map(({ name }) => name))
    for (const name of this.#interfaces) if (!reported.has(name)) this.#interfaces.delete(name)
    for (const { name, addresses } of description.interfaces)
      if (addresses.length > 0) this.#interfaces.add(name)
    this.#lastSeen = this.#deps.clock.now()
    this.#state = 'ready'
    this.#stateReason = ''
  }
}
