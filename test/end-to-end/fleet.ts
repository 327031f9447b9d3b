import { statSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { waitHealthy } from '../../cli/lab/readiness.ts'
import { managementGateway } from '../../deploy/local/addresses.ts'
import { isAlive } from '../../deploy/local/identity.ts'
import { writeInventory } from '../../deploy/local/inventory.ts'
import { createLab, heal, parseFault, setFault } from '../../deploy/local/lab.ts'
import { recordedProcesses, startAgents, startCollector } from '../../deploy/local/processes.ts'
import { deps } from '../lab/machine.ts'
import { freeAddress } from '../ports.ts'
import { eventually, namespaceOf, type Process, processes } from '../protocol/descendants.ts'
import { openIndependentClient } from '../protocol/independent-client.ts'

const MESHGAUGE = new URL('../../cli/meshgauge', import.meta.url).pathname

/** Low enough that two cores carry a whole round of it without being the limit themselves. */
export const LAB_RATE = 100e6

/** What most tests run; further options may follow. */
export const IPERF_MESH = ['run', 'mesh', '--test', 'iperf', '--duration', '1s']
export const pingMesh = (count: number, interval: string): string[] => [
  ...['run', 'mesh', '--test', 'ping', '--count', String(count), '--ping-interval', interval],
]

export type Side = { node: string; interface: string; address: string }
export type Pair = {
  source: Side
  destination: Side
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

/** A lab with agents and a collector, and a user at its command line. */
export const startFleet = async ({
  environment,
  settings = {},
  ...options
}: {
  nodes: number
  racks?: number
  /** Further keys of the collector's config. */
  settings?: Record<string, unknown>
  /** For agents and collector, given the address by which the hosts reach this machine. */
  environment?: (gateway: string) => Promise<Record<string, string>>
}) => {
  const held = await createLab(deps, { rateBitsPerSecond: LAB_RATE, ...options })
  try {
    const { lab } = held
    const start = {
      program: [MESHGAUGE],
      waitReady: waitHealthy,
      readyWithinSeconds: 90,
      environment: (await environment?.(managementGateway(lab.index))) ?? {},
    }
    await startAgents(deps, lab, start)
    const address = await freeAddress('collector')
    const http = await freeAddress('metrics')
    const inventory = await writeInventory(lab, { listen: address, settings: { http, ...settings } })
    const withMore = (more: Readonly<Record<string, string>>) => ({
      ...start,
      environment: { ...start.environment, ...more },
    })
    const recorded = async (name: string) =>
      (await recordedProcesses(lab.stateDir)).find((process) => process.name === name)
    /** Until then its port is taken, and it may even answer for the one that comes after it. */
    const untilEnded = async (name: string) => {
      const before = await recorded(name)
      if (!before) return
      await eventually(
        () => isAlive(before.identity),
        (alive) => !alive,
      )
    }
    /** @param more what is added to its environment */
    const startOwnCollector = async (more: Readonly<Record<string, string>> = {}) => {
      await untilEnded('collector')
      await startCollector(deps, lab, { ...withMore(more), inventory, address })
    }
    await startOwnCollector()

    const meshgauge = (...args: string[]) =>
      execa(MESHGAUGE, ['--collector', address, ...args], { reject: false, stdin: 'ignore' })
    const client = openIndependentClient(Number(address.split(':').at(-1)))
    return {
      lab,
      address,
      http,
      client,
      meshgauge,
      /** An agent, or a collector, that was started again has its peers a moment later. */
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
      /** Runs, and parses what `--json` prints. */
      async json(...args: string[]): Promise<Document & { exitCode: number }> {
        const { stdout, stderr, exitCode } = await meshgauge(...args, '--json')
        try {
          return { ...JSON.parse(stdout), exitCode }
        } catch {
          throw new Error(`not JSON (exit ${exitCode}):\n${stdout}\n${stderr}`)
        }
      },
      fault: (text: string) => setFault(deps, lab, parseFault(text, lab)),
      heal: () => heal(deps, lab),
      /**
       * Starts an agent again that was told to end, or killed.
       * @param more what is added to its environment
       */
      async restartAgent(name: string, more: Readonly<Record<string, string>> = {}) {
        await untilEnded(`agent-${name}`)
        const nodes = lab.nodes.filter((node) => node.name === name)
        await startAgents(deps, lab, withMore(more), nodes)
      },
      /** The process id of an agent (by node name) or of `collector`. */
      async pidOf(name: string): Promise<number> {
        const found = (await recorded(name)) ?? (await recorded(`agent-${name}`))
        if (!found) throw new Error(`${name} was never started`)
        return found.identity.pid
      },
      /** Starts the collector again that was told to end, or killed. */
      restartCollector: startOwnCollector,
      /** Programs that run inside the hosts, or only the ones that are named, wherever they hang in the process tree. */
      programsInside(command: RegExp, nodes = lab.nodes.map(({ name }) => name)): Process[] {
        const inside = new Set(
          lab.nodes
            .filter(({ name }) => nodes.includes(name))
            .map(({ namespace }) => statSync(`/run/netns/${namespace}`).ino),
        )
        return processes().filter((each) => command.test(each.command) && inside.has(namespaceOf(each.pid)))
      },
      /** A command inside a host. */
      inside: (node: string, ...command: string[]) => {
        const namespace = lab.nodes.find(({ name }) => name === node)!.namespace!
        return execa('ip', ['netns', 'exec', namespace, ...command], { reject: false })
      },
      /** The switch's port towards a host. */
      portOf: (node: string, name: string) => `n${node.split('-')[1]}.${name}`,
      inSwitch: (...command: string[]) => execa('ip', ['netns', 'exec', `mg${lab.index}-switch`, ...command]),
      logs: () =>
        execa('sh', ['-c', `tail -n 20 ${join(lab.stateDir, '*.log')}`]).then(({ stdout }) => stdout),
      close: () => held.down(),
    }
  } catch (error) {
    await held.down()
    throw error
  }
}

export type TestFleet = Awaited<ReturnType<typeof startFleet>>
