import { setTimeout as sleep } from 'node:timers/promises'
import { AgentServiceDefinition, DescribeResponse } from '#proto/meshgauge/agent/v1/agent.ts'
import { CheckServiceDefinition } from '#proto/meshgauge/agent/v1/check.ts'
import { IperfResult, IperfServiceDefinition } from '#proto/meshgauge/agent/v1/iperf.ts'
import { PingServiceDefinition } from '#proto/meshgauge/agent/v1/ping.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { createStatistics } from '../../agent/engines/statistics.ts'
import { OperatingError } from '../../lib/errors.ts'
import { createLogger } from '../../lib/logging.ts'
import { fromDuration, toDuration } from '../../lib/protobuf-time.ts'
import { type GrpcServer, serveGrpc, service } from '../../lib/serving.ts'

/** The simulated network between fake agents. The throughput of a pair is the lower rate of its two ends. */
export type SimulatedNetwork = {
  /** Bits per second that a node can send on an interface. */
  sends(node: number, name: string): number
  /** Bits per second that a node can receive on an interface. */
  receives(node: number, name: string): number
  /** Share of pings that are lost between two nodes. */
  loses(source: number, destination: number, name: string): number
}

export const healthyNetwork: SimulatedNetwork = { sends: () => 10e9, receives: () => 10e9, loses: () => 0 }

const INTERFACES = ['net0', 'net1']
const PORT = 5201

/** 10.<interface>.<node / 250>.<node % 250 + 1> */
const addressOf = (node: number, name: string): string =>
  `10.${INTERFACES.indexOf(name)}.${Math.floor(node / 250)}.${(node % 250) + 1}`
const nodeOf = (address: string): { node: number; name: string } => {
  const [, network, high, low] = address.split('.').map(Number)
  return { node: high! * 250 + low! - 1, name: INTERFACES[network!]! }
}

/** A reproducible number from 0 to 1 for each pair, as noise that does not depend on the order of tests. */
const noise = (source: number, destination: number): number =>
  ((source * 7919 + destination * 104729) % 1000) / 1000

/** Functions that end a server when its client has finished, by server address. */
type Servers = Map<string, () => void>

const servicesOf = (
  node: number,
  network: SimulatedNetwork,
  secondsOf: (asked: number) => number,
  released: () => Promise<void>,
  waiting: Servers,
) => [
  service(AgentServiceDefinition, {
    describe: async () =>
      DescribeResponse.fromPartial({
        identity: { node: `s${node}`, agentVersion: 'simulated' },
        interfaces: INTERFACES.map((name) => ({
          name,
          addresses: [`${addressOf(node, name)}/16`],
          state: 'up',
          mtuBytes: 9000,
        })),
      }),
  }),
  service(CheckServiceDefinition, { listChecks: async () => ({ checks: [] }), runCheck: async () => ({}) }),
  service(PingServiceDefinition, {
    pingMesh: () => {
      throw new OperatingError('ENGINE_UNAVAILABLE', 'these agents have no mesh')
    },
    async *ping(request) {
      yield { event: { $case: 'started', value: { engine: { name: 'fping', version: 'simulated' } } } }
      const results = request.targets.map(({ address }, targetIndex) => {
        const peer = nodeOf(address)
        const lost = network.loses(node, peer.node, peer.name)
        const statistics = createStatistics()
        const count = request.count ?? 10
        for (let probe = 0; probe < count; probe++) {
          const answered = (probe + noise(node, peer.node)) / count >= lost
          statistics.add({
            targetIndex,
            rttSeconds: answered ? 50e-6 + 5e-6 * noise(node, probe) : undefined,
            refused: false,
            reason: '',
          })
        }
        const outcome = lost >= 1 ? Outcome.OUTCOME_UNREACHABLE : Outcome.OUTCOME_MEASURED
        return { targetIndex, outcome, statistics: statistics.snapshot() }
      })
      yield { event: { $case: 'summary', value: { results } } }
    },
  }),
  service(IperfServiceDefinition, {
    async *serve(request, { signal }) {
      const { name, address } = {
        name: request.listeners[0]!.interface,
        address: addressOf(node, request.listeners[0]!.interface),
      }
      yield {
        event: {
          $case: 'started',
          value: {
            engine: { name: 'iperf3', version: `simulated ${name}` },
            listeners: [{ address, port: PORT }],
          },
        },
      }
      await new Promise<void>((resolve) => {
        waiting.set(address, resolve)
        signal.addEventListener('abort', () => resolve(), { once: true })
      })
      signal.throwIfAborted()
      yield { event: { $case: 'summary', value: { results: [{ outcome: Outcome.OUTCOME_MEASURED }] } } }
    },
    async *run(request, { signal }) {
      yield { event: { $case: 'started', value: { engine: { name: 'iperf3', version: 'simulated' } } } }
      const { node: peer, name } = nodeOf(request.flows[0]!.address)
      const aborted = Promise.withResolvers<never>()
      signal.addEventListener('abort', () => aborted.reject(signal.reason), { once: true })
      await Promise.race([released(), aborted.promise])
      await sleep(secondsOf(fromDuration(request.options?.duration) ?? 10) * 1000, undefined, { signal })
      const rate =
        Math.min(network.sends(node, name), network.receives(peer, name)) * (0.97 + 0.03 * noise(node, peer))
      const result = IperfResult.fromPartial({
        outcome: Outcome.OUTCOME_MEASURED,
        bitsPerSecond: Math.round(rate),
        senderBitsPerSecond: Math.round(rate),
        duration: toDuration(1),
      })
      waiting.get(request.flows[0]!.address)?.()
      yield { event: { $case: 'summary', value: { results: [result] } } }
    },
  }),
]

type Options = {
  /** The actual duration of a test, for its requested duration in seconds. */
  secondsOf?: (asked: number) => number
  /** A test waits for this promise before it measures. */
  released?: () => Promise<void>
}

/** Starts several fake agents in this process: each is a gRPC server on its own port, on a simulated network. */
export const startFakeAgents = async (count: number, network: SimulatedNetwork, options: Options = {}) => {
  const { secondsOf = () => 0.02, released = () => Promise.resolve() } = options
  const logger = createLogger('stand-in', 'fatal')
  const waiting: Servers = new Map()
  const servers: GrpcServer[] = []
  for (let node = 0; node < count; node++) {
    const services = servicesOf(node, network, secondsOf, released, waiting)
    servers.push(await serveGrpc({ logger }, { address: '127.0.0.1:0', security: {}, services }))
  }
  return {
    inventory: servers.map(({ port }, node) => ({
      name: `s${node}`,
      address: `127.0.0.1:${port}`,
      rack: `r${Math.floor(node / 8)}`,
      labels: {},
      interfaces: INTERFACES,
    })),
    close: () => Promise.all(servers.map((server) => server.close(0))).then(() => undefined),
  }
}
