import type { FlowChange, IperfSample } from '#proto/meshgauge/agent/v1/iperf.ts'
import type { TrafficFlow } from '#proto/meshgauge/collector/v1/traffic.ts'
import type { Clock } from '../../../lib/clock.ts'
import { formatDuration } from '../../../lib/units.ts'
import { endpointMessage } from '../../inventory/endpoints.ts'
import { flowsByName } from '../assign/flow-order.ts'
import type { PreparedTraffic } from '../assign/prepare.ts'
import { type Cause, describeCauses } from './causes.ts'

/** One end of a flow: whether its call is open, why not, and what its agent says of its program. */
type End = { open: boolean; trouble: string; program: string; sampledAt: number; bitsPerSecond: number }

type Flow = {
  server: End
  client: End
  /** Where the server listens, or listened last; 0 before. */
  port: number
  address: string
  receivedBytes: number
  movedAt: number
  /** Restarts by agents that have gone, and by us. */
  earlierRestarts: number
  /** As the agent of the source counts them. */
  agentRestarts: number
}

/** Samples travel in batches of a second, and a busy agent is late. */
const LATE_SECONDS = 2

const createEnd = (): End => ({
  open: false,
  trouble: '',
  program: '',
  sampledAt: Number.NEGATIVE_INFINITY,
  bitsPerSecond: 0,
})

export type Totals = {
  movingCount: number
  restartCount: number
  receivedBitsPerSecond: number
}

/** Which flows are to be told: of one node, or of all when it is empty. */
export type FlowPage = { node: string; offset: number; size: number }

/** What one node sends and receives, and how many of its flows do not move. */
export type NodeTotals = { received: number; sent: number; dead: number }

/** The state of every flow of a traffic, as its agents tell it. */
export const createFlows = (prepared: PreparedTraffic, clock: Pick<Clock, 'monotonicSeconds'>) => {
  const { endpoints, sources, destinations, intervalSeconds } = prepared
  const flows: Flow[] = Array.from(sources, () => ({
    server: createEnd(),
    client: createEnd(),
    port: 0,
    address: '',
    receivedBytes: 0,
    movedAt: Number.NEGATIVE_INFINITY,
    earlierRestarts: 0,
    agentRestarts: 0,
  }))
  let order: Uint32Array | undefined
  const freshSeconds = 2 * intervalSeconds + LATE_SECONDS
  const isFresh = (at: number) => clock.monotonicSeconds() - at <= freshSeconds
  const isMoving = ({ movedAt }: Flow) => isFresh(movedAt)
  const rateOf = ({ sampledAt, bitsPerSecond }: End) => (isFresh(sampledAt) ? bitsPerSecond : 0)
  const sourceOf = (flow: number) => endpoints[sources[flow]!]!
  const destinationOf = (flow: number) => endpoints[destinations[flow]!]!
  const restartsOf = ({ earlierRestarts, agentRestarts }: Flow) => earlierRestarts + agentRestarts

  const reasonOf = (flow: Flow): string => {
    if (isMoving(flow)) return ''
    const { server, client } = flow
    if (server.trouble || client.trouble) return server.trouble || client.trouble
    if (!server.open) return 'its server is being started'
    if (!client.open) return 'its client is being started'
    if (server.program) return `its server: ${server.program}`
    if (client.program) return `its client: ${client.program}`
    return flow.movedAt > 0
      ? `no bytes have arrived for ${formatDuration(clock.monotonicSeconds() - flow.movedAt)}`
      : 'no bytes have arrived yet'
  }
  /** The same for all flows of one cause: without what differs from second to second. */
  const causeOf = (flow: Flow): string => reasonOf(flow).replace(/ for [\d.]+ \w+$/, ' lately')

  const messageOf = (index: number): TrafficFlow => {
    const flow = flows[index]!
    return {
      source: endpointMessage(sourceOf(index)),
      destination: endpointMessage(destinationOf(index), flow.address || undefined),
      port: flow.port,
      moving: isMoving(flow),
      sentBitsPerSecond: rateOf(flow.client),
      receivedBitsPerSecond: rateOf(flow.server),
      receivedBytes: flow.receivedBytes,
      restartCount: restartsOf(flow),
      reason: reasonOf(flow),
    }
  }

  const note = (end: End, { bitsPerSecond }: IperfSample) => {
    end.sampledAt = clock.monotonicSeconds()
    end.bitsPerSecond = bitsPerSecond
  }

  return {
    count: flows.length,
    port: (flow: number) => flows[flow]!.port,
    address: (flow: number) => flows[flow]!.address,
    isServed: (flow: number) => flows[flow]!.server.open,

    served(flow: number, address: string, port: number): void {
      Object.assign(flows[flow]!, { address, port })
      flows[flow]!.server.open = true
      flows[flow]!.server.trouble = ''
    },
    sending(flow: number): void {
      flows[flow]!.client.open = true
      flows[flow]!.client.trouble = ''
    },
    /** The call of one end could not be opened, or ended. */
    lost(flow: number, side: 'server' | 'client', trouble: string): void {
      const end = flows[flow]![side]
      // A client whose call is opened again is started again, whoever counts.
      if (side === 'client' && end.open) {
        flows[flow]!.earlierRestarts += flows[flow]!.agentRestarts + 1
        flows[flow]!.agentRestarts = 0
      }
      Object.assign(end, { open: false, trouble, program: '' })
    },
    changed(flow: number, side: 'server' | 'client', change: FlowChange): void {
      flows[flow]![side].program = change.running ? '' : change.reason
      if (side === 'client') flows[flow]!.agentRestarts = change.restartCount
    },
    received(flow: number, sample: IperfSample): void {
      note(flows[flow]!.server, sample)
      if (sample.bytes <= 0) return
      flows[flow]!.receivedBytes += sample.bytes
      flows[flow]!.movedAt = clock.monotonicSeconds()
    },
    sent(flow: number, sample: IperfSample): void {
      note(flows[flow]!.client, sample)
    },

    totals(): Totals {
      const totals = { movingCount: 0, restartCount: 0, receivedBitsPerSecond: 0 }
      for (const flow of flows) {
        if (isMoving(flow)) totals.movingCount++
        totals.restartCount += restartsOf(flow)
        totals.receivedBitsPerSecond += rateOf(flow.server)
      }
      return totals
    },
    nodeTotals(): Map<string, NodeTotals> {
      const nodes = new Map(prepared.nodes.map((node) => [node, { received: 0, sent: 0, dead: 0 }]))
      for (const [index, flow] of flows.entries()) {
        const source = nodes.get(sourceOf(index).node)!
        const destination = nodes.get(destinationOf(index).node)!
        source.sent += rateOf(flow.client)
        destination.received += rateOf(flow.server)
        if (isMoving(flow)) continue
        source.dead++
        destination.dead++
      }
      return nodes
    },
    /** Why flows do not move, one line for each cause. */
    problems(): string[] {
      const causes: Cause[] = flows.flatMap((flow, index) =>
        isMoving(flow)
          ? []
          : [{ text: causeOf(flow), source: sourceOf(index), destination: destinationOf(index) }],
      )
      return describeCauses(causes)
    },
    page({ node, offset, size }: FlowPage): { flows: TrafficFlow[]; isLast: boolean } {
      order ??= flowsByName(prepared)
      const page: TrafficFlow[] = []
      let position = 0
      for (const wanted of [false, true]) {
        for (const index of order) {
          if (isMoving(flows[index]!) !== wanted) continue
          if (node !== '' && sourceOf(index).node !== node && destinationOf(index).node !== node) continue
          if (position++ < offset) continue
          if (page.length === size) return { flows: page, isLast: false }
          page.push(messageOf(index))
        }
      }
      return { flows: page, isLast: true }
    },
  }
}

export type Flows = ReturnType<typeof createFlows>
