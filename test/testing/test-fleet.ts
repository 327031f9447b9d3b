import { statSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { waitHealthy } from '../../cli/lab/readiness.ts'
import { managementGateway } from '../../deploy/local/addresses.ts'
import { isAlive } from '../../deploy/local/identity.ts'
import { writeInventory } from '../../deploy/local/inventory.ts'
import { createLab, heal, type Lab, parseFault, setFault } from '../../deploy/local/lab.ts'
import {
  recordedProcesses,
  type StartOptions,
  startAgents,
  startCollector,
} from '../../deploy/local/processes.ts'
import { portName, switchNamespace } from '../../deploy/local/topology.ts'
import { eventually } from './eventually.ts'
import { openIndependentClient } from './independent-client.ts'
import { labDeps } from './lab.ts'
import { networkNamespaceOf, type Process, processes } from './process-tree.ts'
import { freeTestAddress } from './test-address.ts'

const MESHGAUGE = new URL('../../cli/meshgauge', import.meta.url).pathname

/** bit/s of each interface. Low enough that two CPU cores do not limit a full round of tests. */
export const LAB_RATE = 100e6

/** CLI arguments of a full-mesh iperf run of 1 s per pair. */
export const IPERF_MESH = ['run', 'mesh', '--test', 'iperf', '--duration', '1s']
/** CLI arguments of a full-mesh ping run. */
export const pingMesh = (count: number, interval: string): string[] => [
  ...['run', 'mesh', '--test', 'ping', '--count', String(count), '--ping-interval', interval],
]

export type PairEnd = { node: string; interface: string; address: string }
export type Pair = {
  source: PairEnd
  destination: PairEnd
  outcome: string
  reason?: string
  ping?: { sentCount: number; receivedCount: number; lossRatio: number; rttSeconds?: Record<string, number> }
  iperf?: {
    bitsPerSecond: number
    senderBitsPerSecond: number
    retransmitCount?: number
    senderCpuRatio?: number
    receiverCpuRatio?: number
    intervals?: unknown[]
  }
  engine?: { name: string; version: string }
  attemptCount: number
  traceId?: string
}
/** What `meshgauge run --json` prints. */
export type Document = {
  run: {
    id: string
    label?: string
    state: string
    topology: string
    test: string
    startTime: string
    endTime: string
  }
  plan: { nodes: number; pairs: number; rounds: number; lowerBound: number; ratio: number }
  pairs: Pair[]
  summary: {
    judgement: { state: string; headline: string; notes: string[] }
    verdicts: {
      kind: string
      node?: string
      interface?: string
      direction?: string
      peer?: string
      message: string
    }[]
  }
}

type Environment = Readonly<Record<string, string>>

/** Starts the agents and the collector of a lab. Returns their addresses and how to start them again. */
const startServices = async (lab: Lab, environment: Environment, settings: Record<string, unknown>) => {
  const startOptions = (added: Environment = {}): StartOptions => ({
    program: [MESHGAUGE],
    waitReady: waitHealthy,
    readyWithinSeconds: 90,
    environment: { ...environment, ...added },
  })
  await startAgents(labDeps, lab, startOptions())
  const address = await freeTestAddress('collector')
  const http = await freeTestAddress('metrics')
  const inventory = await writeInventory(lab, { listen: address, settings: { http, ...settings } })
  const recorded = async (name: string) =>
    (await recordedProcesses(lab.stateDir)).find((process) => process.name === name)
  /** Until it has ended, a process occupies its port, and could answer the readiness check of its successor. */
  const untilEnded = async (name: string) => {
    const previous = await recorded(name)
    if (!previous) return
    await eventually(
      () => isAlive(previous.identity),
      (alive) => !alive,
    )
  }
  /** Starts the collector, again after it was ended or killed. `added` extends its environment. */
  const restartCollector = async (added: Environment = {}) => {
    await untilEnded('collector')
    await startCollector(labDeps, lab, { ...startOptions(added), inventory, address })
  }
  await restartCollector()
  return {
    address,
    http,
    restartCollector,
    /** Starts an agent again after it was ended or killed. `added` extends its environment. */
    async restartAgent(name: string, added: Environment = {}) {
      await untilEnded(`agent-${name}`)
      const nodes = lab.nodes.filter((node) => node.name === name)
      await startAgents(labDeps, lab, startOptions(added), nodes)
    },
    /** The process id of an agent (by node name) or of `collector`. */
    async pidOf(name: string): Promise<number> {
      const found = (await recorded(name)) ?? (await recorded(`agent-${name}`))
      if (!found) throw new Error(`${name} was never started`)
      return found.identity.pid
    },
    /** The last lines of all logs. */
    logs: () => execa('sh', ['-c', `tail -n 20 ${join(lab.stateDir, '*.log')}`]).then(({ stdout }) => stdout),
  }
}

/** Runs commands and finds processes inside the hosts and the switch of a lab. */
const insideLab = (lab: Lab) => ({
  /** The processes in these hosts (default: all) whose command matches, also those that no agent started. */
  programsInside(command: RegExp, nodes = lab.nodes.map(({ name }) => name)): Process[] {
    const inside = new Set(
      lab.nodes
        .filter(({ name }) => nodes.includes(name))
        .map(({ namespace }) => statSync(`/run/netns/${namespace}`).ino),
    )
    return processes().filter(
      (each) => command.test(each.command) && inside.has(networkNamespaceOf(each.pid)),
    )
  },
  /** Runs a command inside a host. */
  inside: (node: string, ...command: string[]) => {
    const namespace = lab.nodes.find(({ name }) => name === node)!.namespace!
    return execa('ip', ['netns', 'exec', namespace, ...command], { reject: false })
  },
  /** The name of the switch's port towards a host's interface. */
  portOf: (node: string, name: string) => portName(node, name),
  /** Runs a command inside the switch. */
  inSwitch: (...command: string[]) => execa('ip', ['netns', 'exec', switchNamespace(lab.index), ...command]),
})

/** Starts a lab with agents and a collector, and gives access to it by CLI, gRPC client and shell commands. */
export const startTestFleet = async ({
  environment,
  settings = {},
  ...options
}: {
  nodes: number
  racks?: number
  /** Additional keys of the collector's config. */
  settings?: Record<string, unknown>
  /** The environment of agents and collector. `gateway` is the address at which the hosts reach this machine. */
  environment?: (gateway: string) => Promise<Record<string, string>>
}) => {
  const owned = await createLab(labDeps, { rateBitsPerSecond: LAB_RATE, ...options })
  try {
    const { lab } = owned
    const shared = (await environment?.(managementGateway(lab.index))) ?? {}
    const services = await startServices(lab, shared, settings)
    const { address } = services
    const meshgauge = (...args: string[]) =>
      execa(MESHGAUGE, ['--collector', address, ...args], { reject: false, stdin: 'ignore' })
    const client = openIndependentClient(Number(address.split(':').at(-1)))
    return {
      lab,
      client,
      meshgauge,
      ...services,
      ...insideLab(lab),
      /** Waits until the collector reports all nodes as ready, which takes a moment after a start. */
      untilReady: () =>
        eventually(
          () =>
            client.call<{ nodes: { state: string }[] }>(
              'meshgauge.collector.v1.FleetService',
              'ListNodes',
              {},
            ),
          ({ nodes }) => nodes.every(({ state }) => state === 'NODE_STATE_READY'),
        ),
      /** Runs the CLI with `--json` and parses its output. */
      async json(...args: string[]): Promise<Document & { exitCode: number }> {
        const { stdout, stderr, exitCode } = await meshgauge(...args, '--json')
        try {
          return { ...JSON.parse(stdout), exitCode }
        } catch {
          throw new Error(`not JSON (exit ${exitCode}):\n${stdout}\n${stderr}`)
        }
      },
      fault: (text: string) => setFault(labDeps, lab, parseFault(text, lab)),
      heal: () => heal(labDeps, lab),
      close: () => owned.down(),
    }
  } catch (error) {
    await owned.down()
    throw error
  }
}

export type TestFleet = Awaited<ReturnType<typeof startTestFleet>>
