import type { Clock } from '../../lib/clock.ts'
import { describeCallError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logging.ts'
import { withoutSpans } from '../../lib/rpc-tracing.ts'
import type { AgentConnection } from './agents.ts'
import type { InventoryNode } from './config.ts'
import { describe, isUnavailable } from './describe.ts'
import type { FleetNode, NodeDescription, NodeState } from './node.ts'

/** Time between two Describe calls to an agent that answers. A node that comes back is seen after at most this time. */
const DESCRIBE_SECONDS = 10
/** A silent node is asked more often, because a user may wait for it. */
const SILENT_SECONDS = 2
/** Most Describe calls per second to all silent nodes together: with more of them, each waits longer. */
const SILENT_PER_SECOND = 100

/** When something was last measured from or to a node. */
export type LastMeasured = { ping?: Date; iperf?: Date }

export type MonitorDeps = {
  clock: Clock
  logger: Logger
  connect: (address: string) => AgentConnection
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
  #connection: AgentConnection
  #state: NodeState = 'unspecified'
  #stateReason = ''
  /** There is no connection at all, so no call uses it. */
  #isUnconnected = false
  #lastSeen: Date | undefined
  #description: NodeDescription | undefined
  /** Interfaces that have had an address. One that goes down loses its address, and is still measured. */
  readonly #interfaces = new Set<string>()

  /** @param phase from 0 to 1: the node's place in the time between two calls */
  constructor(deps: MonitorDeps, inventory: InventoryNode, phase: number) {
    this.#deps = deps
    this.inventory = inventory
    this.#connection = deps.connect(inventory.address)
    const { promise, resolve } = Promise.withResolvers<void>()
    this.asked = promise
    this.stopped = withoutSpans(() => this.#poll(phase, resolve))
  }

  get name(): string {
    return this.inventory.name
  }

  get isSilent(): boolean {
    return this.#state === 'silent'
  }

  get connection(): AgentConnection {
    return this.#connection
  }

  /** Stops asking. The connection stays open. */
  stop(): void {
    this.#stop.abort()
  }

  /** Queries the agent now. A connection that failed would wait before it tries again, so a new one replaces it. */
  async refresh(): Promise<void> {
    if (this.#isUnconnected) {
      this.#connection.close()
      this.#connection = this.#deps.connect(this.inventory.address)
    }
    await this.#ask()
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
      lastSeenTime: this.#lastSeen,
      description,
      interfaces: inventory.interfaces.length > 0 ? inventory.interfaces : [...this.#interfaces],
      lastPingTime: last?.ping,
      lastIperfTime: last?.iperf,
    }
  }

  async #poll(phase: number, onAsked: () => void): Promise<void> {
    const { signal } = this.#stop
    const { clock, silentCount } = this.#deps
    // All agents are asked at once at the start, then spread evenly: 1,000 answers at once would block the event loop.
    let share = phase
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
    const before = { state: this.#state, facts: factsOf(this.#description) }
    try {
      const retries = before.state === 'ready'
      this.#accept(await describe(clock, this.#connection, retries, signal))
    } catch (error) {
      if (signal.aborted) return
      this.#state = 'silent'
      this.#stateReason = describeCallError(error)
      this.#isUnconnected = isUnavailable(error)
    }
    if (factsOf(this.#description) !== before.facts) this.#deps.onDescriptionChange()
    if (this.#state === before.state) return
    if (this.isSilent) logger.warn({ node: this.name, reason: this.#stateReason }, 'agent does not answer')
    else logger.info({ node: this.name }, 'agent answers')
    this.#deps.onStateChange(this)
  }

  #accept(description: NodeDescription): void {
    this.#description = description
    for (const { name, addresses } of description.interfaces)
      if (addresses.length > 0) this.#interfaces.add(name)
    this.#lastSeen = this.#deps.clock.now()
    this.#state = 'ready'
    this.#stateReason = ''
    this.#isUnconnected = false
  }
}
