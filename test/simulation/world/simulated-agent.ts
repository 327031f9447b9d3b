import { createAgentParts } from '../../../agent/agent.ts'
import type { PingEngine } from '../../../agent/engines/engine.ts'
import { createFping } from '../../../agent/engines/fping/engine.ts'
// The engine loads it when it is first used. Loading takes real time, in which virtual time would pass.
import '../../../agent/engines/iperf3/client.ts'
import { createIperf3 } from '../../../agent/engines/iperf3/engine.ts'
import type { AgentOptions } from '../../../agent/options.ts'
import type { Logger } from '../../../lib/logging.ts'
import type { Connection } from './connection.ts'
import type { Fabric } from './fabric.ts'
import { createSimulatedFiles, createSimulatedInterfaces, type HostState } from './host.ts'
import { KEEPALIVE_SECONDS, type Link } from './links.ts'
import { createSimulatedPingEngine } from './ping-engine.ts'
import { createProcessClock, type ProcessClock } from './process-clock.ts'
import { createSimulatedProcesses, type Program, type StartedProgram } from './processes.ts'
import type { RandomSource } from './random.ts'
import type { ServerProcess } from './session.ts'
import type { VirtualTime } from './virtual-time.ts'

export type AgentDeps = {
  time: VirtualTime
  logger: Logger
  fabric: Fabric
  link: Link
  random: RandomSource
  programs: Readonly<Record<string, Program>>
  /** Whether the mesh reads the text of a simulated fping; otherwise its engine is simulated. */
  usesPrograms: boolean
  onRound: (node: number, count: number) => void
  ignoresEnd: (file: string) => boolean
}

/** How the clocks of one host differ from virtual time. */
export type HostClock = { wallOffsetMs: number; monotonicOffsetSeconds: number }

const OPTIONS: Omit<AgentOptions, 'node' | 'interfaces'> = {
  listen: '127.0.0.1:50051',
  security: {},
  allowPeers: ['10.0.0.0/8'],
  ports: { first: 5201, last: 5999 },
  labels: {},
  isNodeConfigured: true,
  excludeInterfaces: [],
  speeds: {},
  maxDurationSeconds: 3600,
  maxBitsPerSecond: 0,
  programs: {},
  logLevel: 'silent',
}

/** One node: a host with an agent, which is the real one but for its clock, programs, interfaces and files. */
export const createSimulatedAgent = (deps: AgentDeps, node: number, hostClock: HostClock) => {
  const { time, fabric, link, logger } = deps
  const name = `s${node}`
  const state: HostState = { down: new Set(), foreign: new Map() }
  const interfaces = createSimulatedInterfaces(fabric, node, state)
  const running = new Set<StartedProgram>()
  let steppedSeconds = 0
  let stops = 0
  let life:
    | { process: ServerProcess; agent: ProcessClock; host: ProcessClock; end(): Promise<void> }
    | undefined
  let connection: Connection | undefined
  const newClock = () => {
    const clock = createProcessClock(time, hostClock)
    clock.step(steppedSeconds)
    return clock
  }

  const start = (): void => {
    if (life) return
    const [agent, host] = [newClock(), newClock()]
    const { programs, ignoresEnd } = deps
    const processes = createSimulatedProcesses({ agent, host, node, programs, running, ignoresEnd })
    const engineDeps = { processes, clock: agent }
    const fping = createFping(engineDeps, { agentPort: 50_051 })
    const onRound = (count: number) => deps.onRound(node, count)
    const ping: PingEngine = deps.usesPrograms
      ? fping
      : createSimulatedPingEngine({ clock: agent, fabric, node, program: fping, onRound })
    const iperf3 = createIperf3(engineDeps, { agentPort: 50_051 })
    const parts = createAgentParts(
      {
        clock: agent,
        randomBytes: deps.random.bytes,
        logger,
        processes,
        interfaces,
        engines: { ping: new Map([['fping', ping]]), iperf: new Map([['iperf3', iperf3]]) },
        read: createSimulatedFiles(fabric, node),
        path: '',
      },
      {
        ...OPTIONS,
        node: name,
        interfaces: fabric.interfaces.map((each) => ({ name: each })),
        version: 'simulated',
      },
    )
    life = { process: { clock: agent, services: parts.services }, agent, host, end: parts.end }
  }

  /** Ends the process at once. The guard ends its programs. */
  const kill = (): void => {
    if (!life) return
    life.agent.kill()
    life.host.kill()
    life = undefined
    running.clear()
    connection?.reset()
  }

  return {
    node,
    name,
    link,
    state,
    running: running as ReadonlySet<StartedProgram>,
    process: () => life?.process,
    isRunning: () => life !== undefined,
    isStopped: () => life?.agent.isStopped() ?? false,
    start,
    kill,
    /** Ends it as SIGTERM does: its tests end first. */
    shutDown: async (): Promise<void> => {
      await life?.end()
      kill()
    },
    /** As SIGSTOP: nothing of it runs, and its programs do. */
    stop: (): void => {
      const stopped = life
      if (!stopped || stopped.agent.isStopped()) return
      stopped.agent.stop()
      const current = ++stops
      time.schedule(KEEPALIVE_SECONDS, () => {
        if (life === stopped && stopped.agent.isStopped() && stops === current) connection?.timeOut()
      })
    },
    resume: (): void => life?.agent.resume(),
    /** Sets the host's wall clock. */
    step: (seconds: number): void => {
      steppedSeconds += seconds
      life?.agent.step(seconds)
      life?.host.step(seconds)
    },
    /** The collector's connection to it. */
    connected: (to: Connection): void => {
      connection = to
    },
  }
}

export type SimulatedAgent = ReturnType<typeof createSimulatedAgent>
