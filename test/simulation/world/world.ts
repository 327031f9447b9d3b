import type { MeshSpec } from '../../../collector/mesh/assign/mesh-spec.ts'
import { STORE_LIMITS, type StoreLimits } from '../../../collector/store/limits.ts'
import type { Store } from '../../../collector/store/store.ts'
import { OperatingError } from '../../../lib/errors.ts'
import { createId } from '../../../lib/ids.ts'
import type { Logger } from '../../../lib/logging.ts'
import type { ServedCall } from './calls.ts'
import type { CallObserver } from './connection.ts'
import { createDisk } from './disk.ts'
import { createFabric } from './fabric.ts'
import { createFpingProgram } from './fping-program.ts'
import { createIperf3Program } from './iperf3-program.ts'
import { createLink } from './links.ts'
import { createProcessClock } from './process-clock.ts'
import { createRandomSource } from './random.ts'
import { createSimulatedAgent, type SimulatedAgent } from './simulated-agent.ts'
import { createSimulatedCollector, type SimulatedCollector } from './simulated-collector.ts'
import { createVirtualTime } from './virtual-time.ts'

/** More nodes than this: messages are not encoded, and the mesh does not go through the text of fping. */
const EXACT_NODES = 24

export type WorldOptions = {
  seed: number
  nodes: number
  interfaces?: readonly string[]
  rackSize?: number
  storage?: StoreLimits
  wrapStore?: (store: Store) => Store
  ignoresEnd?: (file: string) => boolean
  /** Sees each message. */
  observer?: Partial<CallObserver>
  onRound?: (node: number, count: number) => void
}

/** What went wrong inside the simulated processes although nothing may: bugs that a log or a server reports. */
const createBugReports = () => {
  const bugs: string[] = []
  const report = (what: string, error: unknown): void => {
    bugs.push(`${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  }
  const logged = (fields: unknown, message = ''): void => {
    const error = (fields as { err?: unknown } | undefined)?.err
    // What the disk does is no bug.
    if (error !== undefined && !(error instanceof OperatingError)) report(message, error)
  }
  const nothing = () => undefined
  const logger = {
    trace: nothing,
    debug: nothing,
    info: nothing,
    warn: nothing,
    error: logged,
    fatal: logged,
  }
  return { bugs, report, logger: logger as unknown as Logger }
}

/** Everything of a simulation: one clock, one seed, a collector, its agents, and the networks between them. */
export const createWorld = (options: WorldOptions) => {
  const { seed, nodes, interfaces = ['net0'], observer = {} } = options
  const time = createVirtualTime()
  const random = (purpose: string) => createRandomSource(seed, purpose)
  const fabric = createFabric({ nodeCount: nodes, interfaces }, random('fabric'))
  const { bugs, report, logger } = createBugReports()
  const isExact = nodes <= EXACT_NODES
  const programs = { fping: createFpingProgram(fabric), iperf3: createIperf3Program(fabric) }
  const hosts = random('hosts')
  const agents: SimulatedAgent[] = Array.from({ length: nodes }, (_, node) =>
    createSimulatedAgent(
      {
        time,
        logger,
        fabric,
        link: createLink(time, random(`link ${node}`)),
        random: random(`agent ${node}`),
        programs,
        usesPrograms: isExact,
        onRound: options.onRound ?? (() => undefined),
        ignoresEnd: options.ignoresEnd ?? (() => false),
      },
      node,
      // No two clocks agree, and none is right.
      {
        wallOffsetMs: Math.round(hosts.between(-300_000, 300_000)),
        monotonicOffsetSeconds: hosts.between(0, 1_000_000),
      },
    ),
  )
  const calls: CallObserver = {
    onCall: (call) => observer.onCall?.(call),
    onCallEnd: (call) => observer.onCallEnd?.(call),
    onRequest: (call, message) => observer.onRequest?.(call, message),
    onResponse: (call, message) => observer.onResponse?.(call, message),
    onBug: (error) => report('an RPC failed because of a bug', error),
    tamper: (call: ServedCall, message) => observer.tamper?.(call, message) ?? [message],
  }
  const disk = createDisk(createId(random('disk').bytes))
  const collector: SimulatedCollector = createSimulatedCollector(
    {
      time,
      observer: calls,
      encodes: isExact,
      logger,
      random: random('collector'),
      disk,
      agents,
      ...(options.wrapStore && { wrapStore: options.wrapStore }),
    },
    { storage: options.storage ?? STORE_LIMITS, schedules: [], rackSize: options.rackSize ?? 8 },
  )
  return {
    time,
    /** The clock of who watches the simulation. It is right and never stops. */
    clock: createProcessClock(time),
    random,
    fabric,
    agents,
    collector,
    disk,
    /** Bugs that the processes have reported. */
    bugs,
    /** Starts all agents and the collector, which keeps the mesh. */
    start: (mesh: MeshSpec | undefined): void => {
      for (const agent of agents) agent.start()
      collector.start()
      if (mesh) collector.parts().meshes.set('always', mesh)
    },
    destroy: (): void => {
      collector.kill()
      for (const agent of agents) agent.kill()
      disk.destroy()
    },
  }
}

export type World = ReturnType<typeof createWorld>
