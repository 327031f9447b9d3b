import { metrics, trace } from '@opentelemetry/api'
import { AgentServiceDefinition } from '#proto/meshgauge/agent/v1/agent.ts'
import { CheckServiceDefinition } from '#proto/meshgauge/agent/v1/check.ts'
import { IperfServiceDefinition } from '#proto/meshgauge/agent/v1/iperf.ts'
import { PingServiceDefinition } from '#proto/meshgauge/agent/v1/ping.ts'
import type { AgentConnection } from '../../../collector/inventory/agents.ts'
import type { CollectorOptions } from '../../../collector/options.ts'
import { createParts } from '../../../collector/parts.ts'
import { createShutdown } from '../../../collector/shutdown.ts'
import { createSqliteStore } from '../../../collector/store/sqlite/store.ts'
import type { Store } from '../../../collector/store/store.ts'
import type { Logger } from '../../../lib/logging.ts'
import { type Connection, type ConnectionDeps, createConnection } from './connection.ts'
import type { Disk } from './disk.ts'
import { createProcessClock, type ProcessClock } from './process-clock.ts'
import type { RandomSource } from './random.ts'
import type { SimulatedAgent } from './simulated-agent.ts'

type Deps = ConnectionDeps & {
  logger: Logger
  random: RandomSource
  disk: Disk
  agents: readonly SimulatedAgent[]
  /** What a test puts around the store. */
  wrapStore?: (store: Store) => Store
}

type Parts = ReturnType<typeof createParts>
type Life = { clock: ProcessClock; parts: Parts; close(): Promise<void>; connections: Connection[] }

const agentConnectionOf = (connection: Connection): AgentConnection => ({
  agent: connection.client(AgentServiceDefinition),
  check: connection.client(CheckServiceDefinition),
  ping: connection.client(PingServiceDefinition),
  iperf: connection.client(IperfServiceDefinition),
  state: connection.state,
  close: connection.close,
})

type SimulatedOptions = Pick<CollectorOptions, 'storage' | 'schedules'> & { rackSize: number }

const settingsOf = (
  agents: readonly SimulatedAgent[],
  options: SimulatedOptions,
): CollectorOptions & { version: string } => ({
  listen: '',
  http: '',
  store: ':memory:',
  storage: options.storage,
  security: {},
  nodes: agents.map(({ name, node }) => ({
    name,
    address: name,
    rack: `r${Math.floor(node / options.rackSize)}`,
    labels: {},
    interfaces: [],
  })),
  checks: [],
  autopilot: undefined,
  schedules: options.schedules,
  profiles: [],
  logLevel: 'silent',
  version: 'simulated',
})

/** The collector's process: the real one but for its clock, its disk and its connections to agents. */
export const createSimulatedCollector = (deps: Deps, options: SimulatedOptions) => {
  const { time, logger, disk, agents } = deps
  let life: Life | undefined
  let steppedSeconds = 0
  let kills = 0
  const settings = settingsOf(agents, options)
  const byName = new Map(agents.map((agent) => [agent.name, agent]))

  const start = (): void => {
    if (life) throw new Error('the collector runs already')
    const clock = createProcessClock(time, { wallOffsetMs: steppedSeconds * 1000 })
    const shutdown = createShutdown({ logger })
    const connections: Connection[] = []
    const connectAgent = (address: string) => {
      const agent = byName.get(address)!
      const connection = createConnection(deps, clock, {
        node: agent.name,
        link: agent.link,
        process: agent.process,
      })
      connections.push(connection)
      agent.connected(connection)
      return agentConnectionOf(connection)
    }
    const parts = createParts(
      {
        clock,
        logger,
        tracer: trace.getTracer('simulation'),
        meter: metrics.getMeter('simulation'),
        random: deps.random.next,
        randomBytes: deps.random.bytes,
        // They are not of virtual time, and would be observed after the simulated process has ended.
        hasProcessMetrics: false,
        readOptions: async () => settings,
        openStore: (storeDeps) => {
          const store = createSqliteStore(disk.open(), options.storage, storeDeps)
          return deps.wrapStore?.(store) ?? store
        },
        connectAgent,
      },
      settings,
      shutdown,
    )
    life = { clock, parts, close: shutdown.close, connections }
  }

  return {
    start,
    isRunning: () => life !== undefined,
    parts: (): Parts => {
      if (!life) throw new Error('the collector does not run')
      return life.parts
    },
    clock: (): ProcessClock => {
      if (!life) throw new Error('the collector does not run')
      return life.clock
    },
    /** Ends it as SIGTERM does. */
    shutDown: async (): Promise<void> => {
      const ending = life
      life = undefined
      ending?.parts.draining.abort()
      await ending?.close()
    },
    /** Ends it as SIGKILL does: what is not in the store is lost. */
    kill: (): void => {
      const killed = life
      life = undefined
      killed?.clock.kill()
      if (killed) kills++
      for (const connection of killed?.connections ?? []) connection.abandon()
    },
    killCount: (): number => kills,
    stop: (): void => life?.clock.stop(),
    resume: (): void => life?.clock.resume(),
    step: (seconds: number): void => {
      steppedSeconds += seconds
      life?.clock.step(seconds)
    },
    /** Calls to agents that have not ended. */
    callCount: (): number => (life?.connections ?? []).reduce((sum, each) => sum + each.callCount(), 0),
  }
}

export type SimulatedCollector = ReturnType<typeof createSimulatedCollector>
