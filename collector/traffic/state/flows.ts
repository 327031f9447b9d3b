import type { FlowChange, IperfSample } from '#proto/meshgauge/agent/v1/iperf.ts'
import type { TrafficFlow } from '#proto/meshgauge/collector/v1/traffic.ts'
import type { Clock } from '../../../lib/clock.ts'
import { addressesOfPair, endpointMessage } from '../../inventory/endpoints.ts'
import type { FlowReports, FlowSide } from '../agents/flow-reports.ts'
import { flowsByName } from '../assign/flow-order.ts'
import type { PreparedTraffic } from '../assign/prepare.ts'
import { Flow } from './flow.ts'
import { describeProblems } from './flow-problems.ts'

/** Agents send samples in batches of 1 s, and a busy agent may be late. */
const LATE_SECONDS = 2

export type Totals = {
  movingCount: number
  restartCount: number
  receivedBitsPerSecond: number
}

/** Which flows to return: those of one node, or all when it is empty. */
export type FlowPage = { node: string; offset: number; size: number }

/** Bits per second that one node receives and sends, and the number of its flows that do not move. */
export type NodeTotals = { received: number; sent: number; dead: number }

/** The state of all flows of a traffic, from the reports of its agents. */
export class Flows implements FlowReports {
  readonly #prepared: PreparedTraffic
  readonly #flows: readonly Flow[]
  /** Flow numbers, sorted by the names of the endpoints. Computed when it is first needed. */
  #order: Uint32Array | undefined

  constructor(prepared: PreparedTraffic, clock: Pick<Clock, 'monotonicSeconds'>) {
    this.#prepared = prepared
    const freshSeconds = 2 * prepared.spec.intervalSeconds + LATE_SECONDS
    const flowClock = { monotonicSeconds: () => clock.monotonicSeconds(), freshSeconds }
    this.#flows = Array.from(prepared.sources, () => new Flow(flowClock))
  }

  get count(): number {
    return this.#flows.length
  }

  onServing(flow: number, address: string, port: number): void {
    this.#flows[flow]!.onServing(address, port)
  }

  onSending(flow: number): void {
    this.#flows[flow]!.onSending()
  }

  onLost(flow: number, side: FlowSide, problem: string): void {
    this.#flows[flow]!.onLost(side, problem)
  }

  onProgramChange(flow: number, side: FlowSide, change: FlowChange): void {
    this.#flows[flow]!.onProgramChange(side, change)
  }

  onReceived(flow: number, sample: IperfSample): void {
    this.#flows[flow]!.onReceived(sample)
  }

  onSent(flow: number, sample: IperfSample): void {
    this.#flows[flow]!.onSent(sample)
  }

  portOf(flow: number): number {
    return this.#flows[flow]!.port
  }

  addressOf(flow: number): string {
    return this.#flows[flow]!.address
  }

  isServing(flow: number): boolean {
    return this.#flows[flow]!.isServing
  }

  totals(): Totals {
    const totals = { movingCount: 0, restartCount: 0, receivedBitsPerSecond: 0 }
    for (const flow of this.#flows) {
      if (flow.isMoving) totals.movingCount++
      totals.restartCount += flow.restartCount
      totals.receivedBitsPerSecond += flow.receivedBitsPerSecond
    }
    return totals
  }

  nodeTotals(): Map<string, NodeTotals> {
    const nodes = new Map(this.#prepared.nodes.map((node) => [node, { received: 0, sent: 0, dead: 0 }]))
    for (const [index, flow] of this.#flows.entries()) {
      const source = nodes.get(this.#sourceOf(index).node)!
      const destination = nodes.get(this.#destinationOf(index).node)!
      source.sent += flow.sentBitsPerSecond
      destination.received += flow.receivedBitsPerSecond
      if (flow.isMoving) continue
      source.dead++
      destination.dead++
    }
    return nodes
  }

  /** Why flows do not move: one line for each problem. */
  problems(): string[] {
    return describeProblems(
      this.#flows.flatMap(({ isMoving, problem }, index) =>
        isMoving
          ? []
          : [{ text: problem, source: this.#sourceOf(index), destination: this.#destinationOf(index) }],
      ),
    )
  }

  /** One page of flows: first those that do not move, then by the names of the endpoints. */
  page({ node, offset, size }: FlowPage): { flows: TrafficFlow[]; isLast: boolean } {
    this.#order ??= flowsByName(this.#prepared)
    const page: TrafficFlow[] = []
    let position = 0
    for (const moving of [false, true]) {
      for (const index of this.#order) {
        if (this.#flows[index]!.isMoving !== moving || !this.#isOfNode(index, node)) continue
        if (position++ < offset) continue
        if (page.length === size) return { flows: page, isLast: false }
        page.push(this.#messageOf(index))
      }
    }
    return { flows: page, isLast: true }
  }

  #sourceOf(flow: number) {
    return this.#prepared.endpoints[this.#prepared.sources[flow]!]!
  }

  #destinationOf(flow: number) {
    return this.#prepared.endpoints[this.#prepared.destinations[flow]!]!
  }

  #isOfNode(flow: number, node: string): boolean {
    return node === '' || this.#sourceOf(flow).node === node || this.#destinationOf(flow).node === node
  }

  #messageOf(index: number): TrafficFlow {
    const flow = this.#flows[index]!
    const [source, destination] = [this.#sourceOf(index), this.#destinationOf(index)]
    const addresses = addressesOfPair(source, destination, this.#prepared.spec.options.family)
    return {
      source: endpointMessage(source, addresses?.source),
      destination: endpointMessage(destination, flow.address || addresses?.destination),
      port: flow.port,
      moving: flow.isMoving,
      sentBitsPerSecond: flow.sentBitsPerSecond,
      receivedBitsPerSecond: flow.receivedBitsPerSecond,
      receivedBytes: flow.receivedBytes,
      restartCount: flow.restartCount,
      reason: flow.reason,
    }
  }
}
