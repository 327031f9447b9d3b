import type { Tracer } from '@opentelemetry/api'
import { AgentServiceDefinition } from '#proto/meshgauge/agent/v1/agent.ts'
import { CheckServiceDefinition, type CheckServiceImplementation } from '#proto/meshgauge/agent/v1/check.ts'
import { IperfServiceDefinition } from '#proto/meshgauge/agent/v1/iperf.ts'
import { PingServiceDefinition } from '#proto/meshgauge/agent/v1/ping.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/logging.ts'
import { type GrpcServer, type Service, serveGrpc, service } from '../lib/serving.ts'
import { createAdmission, createPortLeases } from './admission.ts'
import type { CheckDeps } from './checks/check.ts'
import { createDraining, type Draining } from './draining.ts'
import { detectEngines } from './engines/detected.ts'
import { createEngines, type Engines } from './engines/engines.ts'
import { createHostDescriber } from './host/describe.ts'
import { type ReadText, readText } from './host/files.ts'
import { createHostSamplingSessions } from './host/sampling-session.ts'
import { createInterfaces, type Interfaces } from './interfaces.ts'
import { checkPeers, limitsOf } from './limits.ts'
import type { AgentOptions } from './options.ts'
import { traceProcesses } from './process-tracing.ts'
import { createProcesses, type Processes } from './processes.ts'
import { createAgentService } from './services/agent.ts'
import { createIperfService } from './services/iperf.ts'
import { createMesh } from './services/mesh.ts'
import { createPingService } from './services/ping.ts'
import { createSustained } from './sustained.ts'

/** Time for streams to clean up after themselves once they were told to end. */
const CLOSE_GRACE_SECONDS = 3

const portOf = (listen: string): number => Number(listen.split(':').at(-1))

/** The checks, and the library that they read their parameters with, are loaded when they are first wanted. */
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

/** What an agent is made of: programs, interfaces and files are those of this host, or simulated ones. */
type PartsDeps = {
  clock: Clock
  logger: Logger
  processes: Processes
  interfaces: Interfaces
  engines: Engines
  read: ReadText
  /** Where programs are looked for. */
  path: string
}

/** The services of an agent, before anybody can call them. `end` ends every test. */
export const createAgentParts = (
  { clock, logger, processes, interfaces, read, ...deps }: PartsDeps,
  options: AgentOptions & { version: string },
): { services: Service[]; end(): Promise<void> } => {
  const draining = createDraining()
  const engines = detectEngines(deps.engines, clock)
  const shared = { clock, interfaces, engines, draining }
  const checkDeps = {
    processes,
    programs: options.programs,
    path: deps.path.split(':').filter((folder) => folder !== ''),
    root: '/',
    checkPeers: (addresses: readonly string[]) => checkPeers(limitsOf(options, interfaces), addresses),
  }
  const host = createHostDescriber({ clock, processes, read }, options.programs)
  const hostSampling = createHostSamplingSessions({ clock, processes, interfaces, read }, options.programs)
  const admission = createAdmission()
  const ports = createPortLeases(options.ports)
  const mesh = createMesh({ ...shared, logger, read }, options)
  const sustained = createSustained({ clock })
  return {
    services: [
      service(AgentServiceDefinition, createAgentService({ ...shared, host, sustained }, options)),
      service(CheckServiceDefinition, lazyChecks({ ...shared, ...checkDeps })),
      service(PingServiceDefinition, { ...createPingService(shared, options), mesh: mesh.mesh }),
      service(
        IperfServiceDefinition,
        createIperfService({ ...shared, admission, ports, hostSampling, sustained }, options),
      ),
    ],
    end: async () => {
      await draining.drain()
      await mesh.close()
    },
  }
}

/** An agent that serves until it is closed; closing ends every test and every program it started. */
export const createAgent = async (
  deps: { clock: Clock; logger: Logger; tracer: Tracer /** Where programs are looked for. */; path: string },
  options: AgentOptions & { version: string },
): Promise<{ server: GrpcServer; close(): Promise<void> }> => {
  const { clock, logger } = deps
  const bareProcesses = createProcesses({ clock, logger }, { environment: { PATH: deps.path } })
  const processes = traceProcesses(bareProcesses, deps.tracer)
  const interfaces = createInterfaces(options)
  const engines = createEngines(
    { processes, clock },
    { programs: options.programs, agentPort: portOf(options.listen) },
  )
  const parts = createAgentParts({ ...deps, processes, interfaces, engines, read: readText }, options)
  const server = await serveGrpc(
    { logger },
    { address: options.listen, security: options.security, services: parts.services },
  ).catch(async (error) => {
    await bareProcesses.close()
    throw error
  })
  return {
    server,
    close: async () => {
      await parts.end()
      await server.close(CLOSE_GRACE_SECONDS)
      await bareProcesses.close()
    },
  }
}
