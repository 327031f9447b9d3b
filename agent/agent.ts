import { randomBytes } from 'node:crypto'
import type { Tracer } from '@opentelemetry/api'
import { AgentServiceDefinition } from '#proto/meshgauge/agent/v1/agent.ts'
import { CheckServiceDefinition, type CheckServiceImplementation } from '#proto/meshgauge/agent/v1/check.ts'
import { IperfServiceDefinition } from '#proto/meshgauge/agent/v1/iperf.ts'
import { type PingRequest, PingServiceDefinition } from '#proto/meshgauge/agent/v1/ping.ts'
import type { Clock } from '../lib/clock.ts'
import type { HttpServer } from '../lib/http-listener.ts'
import type { RandomBytes } from '../lib/ids.ts'
import type { Logger } from '../lib/logging.ts'
import { type GrpcServer, type Service, serveGrpc, service } from '../lib/serving.ts'
import { type Activity, countProcesses, createActivity } from './activity.ts'
import { createAdmission, createPortLeases } from './admission.ts'
import { boundedPingSeconds, createProbeCeiling, probeLoadOf } from './ceilings.ts'
import type { CheckDeps } from './checks/check.ts'
import { createDraining, type Draining } from './draining.ts'
import { detectEngines } from './engines/detected-engines.ts'
import { createEngines, type Engines } from './engines/engines.ts'
import { planPing } from './engines/ping-request.ts'
import { watchCpuShortage } from './host/cpu-shortage.ts'
import { createHostDescriber } from './host/describe.ts'
import { type ReadText, readText } from './host/files.ts'
import { createHostSamplingSessions } from './host/sampling-session.ts'
import type { listenAgentHttp } from './http.ts'
import { createInterfaces, type Interfaces } from './interfaces.ts'
import { checkPeers, limitsOf } from './limits.ts'
import type { AgentOptions } from './options.ts'
import { traceProcesses } from './process-tracing.ts'
import { createProcesses, type Processes } from './processes.ts'
import { createAgentService } from './services/agent.ts'
import { StartPacer } from './services/iperf/start-pacing.ts'
import { createTrafficLabels } from './services/iperf/traffic-labels.ts'
import { createIperfService } from './services/iperf.ts'
import { createMeshService } from './services/mesh.ts'
import { createPingService } from './services/ping.ts'

/** Time for streams to clean up after they are asked to end. */
const CLOSE_GRACE_SECONDS = 3

const portOf = (listen: string): number => Number(listen.split(':').at(-1))

/** Loads the checks, and the library that parses their parameters, when they are first needed. */
const lazyChecks = (deps: CheckDeps & { draining: Draining }): CheckServiceImplementation => {
  let loading: Promise<CheckServiceImplementation> | undefined
  const load = async () => {
    const [{ createCheckService }, { CHECKS }] = await Promise.all([
      import('./services/check.ts'),
      import('./checks/checks.ts'),
    ])
    return createCheckService(deps, CHECKS)
  }
  const loaded = () => {
    loading ??= load()
    return loading
  }
  return {
    listChecks: async (request, context) => (await loaded()).listChecks(request, context),
    runCheck: async (request, context) => (await loaded()).runCheck(request, context),
  }
}

type PartsDeps = {
  clock: Clock
  randomBytes: RandomBytes
  logger: Logger
  processes: Processes
  interfaces: Interfaces
  engines: Engines
  /** Counts what the agent does; absent where nobody reads it. */
  activity?: Activity
  read: ReadText
  /** The PATH on which programs are searched. */
  path: string
}

/** Creates the services of an agent without a port. `end` ends every test. */
export const createAgentParts = (
  { clock, randomBytes, logger, processes, interfaces, read, ...deps }: PartsDeps,
  options: AgentOptions & { version: string },
): {
  services: Service[]
  heldWindowCount(): number
  /** Why the agent accepts no tests now; empty when it does. */
  problem(): string
  end(): Promise<void>
} => {
  const draining = createDraining()
  const engines = detectEngines(deps.engines, clock)
  const cpuShortage = watchCpuShortage({ clock, read })
  const shared = {
    cpuShortage,
    clock,
    interfaces,
    engines,
    draining,
    probeCeiling: createProbeCeiling(),
    probes: (deps.activity ?? createActivity()).probes,
  }
  const checkDeps = {
    processes,
    programs: options.programs,
    path: deps.path.split(':').filter((folder) => folder !== ''),
    root: '/',
    checkPeers: (addresses: readonly string[]) => checkPeers(limitsOf(options, interfaces), addresses),
    leaseProbes: (request: PingRequest) => {
      const limits = limitsOf(options, interfaces)
      const plan = planPing(request)
      boundedPingSeconds(limits, plan)
      return shared.probeCeiling.lease(limits, probeLoadOf(plan))
    },
  }
  const host = createHostDescriber({ clock, processes, read }, options.programs)
  const hostSampling = createHostSamplingSessions({ clock, processes, interfaces, read }, options.programs)
  const admission = createAdmission(clock)
  const ports = createPortLeases(options.ports)
  const mesh = createMeshService({ ...shared, randomBytes, logger, read }, options)
  const trafficLabels = createTrafficLabels()
  const pacers = { servers: new StartPacer({ clock }), clients: new StartPacer({ clock }) }
  return {
    services: [
      service(AgentServiceDefinition, createAgentService({ ...shared, host, trafficLabels }, options)),
      service(CheckServiceDefinition, lazyChecks({ ...shared, ...checkDeps })),
      service(PingServiceDefinition, { ...createPingService(shared, options), pingMesh: mesh.pingMesh }),
      service(
        IperfServiceDefinition,
        createIperfService(
          { ...shared, read, admission, ports, hostSampling, trafficLabels, pacers },
          options,
        ),
      ),
    ],
    heldWindowCount: mesh.heldWindowCount,
    problem: () => (draining.isDraining() ? 'this agent is shutting down' : ''),
    end: async () => {
      await draining.drain()
      cpuShortage.close()
      await mesh.close()
    },
  }
}

/** Loads the HTTP server only where it is used. */
const serveHttp: typeof listenAgentHttp = async (...all) =>
  (await import('./http.ts')).listenAgentHttp(...all)

/** Creates an agent that serves until it is closed. Closing ends every test and every program that it started. */
export const createAgent = async (
  deps: Pick<PartsDeps, 'clock' | 'logger' | 'path'> & { tracer: Tracer },
  options: AgentOptions & { version: string },
): Promise<{ server: GrpcServer; http: HttpServer | undefined; close(): Promise<void> }> => {
  const { clock, logger } = deps
  const bareProcesses = createProcesses({ clock, logger }, { environment: { PATH: deps.path } })
  const activity = createActivity()
  const processes = countProcesses(traceProcesses(bareProcesses, deps.tracer), activity)
  const interfaces = createInterfaces(options)
  /** With port 0, the port is known once the server listens. */
  let ownPort = portOf(options.listen)
  const engines = createEngines(
    { processes, clock },
    {
      programs: options.programs,
      get agentPort() {
        return ownPort
      },
      tcpPorts: options.tcpPorts ?? [],
      ceilings: { seconds: options.maxDurationSeconds, bitsPerSecond: options.maxBitsPerSecond },
    },
  )
  const parts = createAgentParts(
    { ...deps, randomBytes, processes, interfaces, engines, activity, read: readText },
    options,
  )
  const server = await serveGrpc(
    { logger },
    { address: options.listen, security: options.security, services: parts.services },
  ).catch(async (error) => {
    await bareProcesses.close()
    throw error
  })
  ownPort = server.port
  const close = async () => {
    await parts.end()
    await server.close(CLOSE_GRACE_SECONDS)
    await bareProcesses.close()
  }
  const shown = {
    activity,
    heldWindowCount: parts.heldWindowCount,
    version: options.version,
    node: options.node,
  }
  const http =
    options.http === undefined
      ? undefined
      : await serveHttp(options.http, shown, parts.problem).catch(async (error) => {
          await close()
          throw error
        })
  return {
    server,
    http,
    close: async () => {
      await http?.close()
      await close()
    },
  }
}
