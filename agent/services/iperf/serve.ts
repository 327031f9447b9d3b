import type { ServeRequest, ServeResponse, ServeResult } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { throwIfInvalid } from '../../../lib/errors.ts'
import { fromDuration, toDuration } from '../../../lib/protobuf-time.ts'
import { IPERF_DEFAULTS } from '../../../lib/test-defaults.ts'
import { claimsOf } from '../../admission.ts'
import { boundedServeSeconds } from '../../ceilings.ts'
import type { IperfEngine } from '../../engines/engine.ts'
import { limitsOf } from '../../limits.ts'
import type { AgentOptions } from '../../options.ts'
import { type CallerContext, type Endpoint, type IperfDeps, resolveEndpoint } from './endpoint.ts'
import { createFlowUpdates } from './flow-updates.ts'
import { countInterface } from './interface-bytes.ts'
import { type ListeningServer, startOnLeasedPort } from './leased-port.ts'
import { iperfStream, type Serving } from './stream.ts'
import { SUSTAINED_FLUSH_SECONDS, serveSustained, sustainedServeViolations } from './sustained.ts'

/** Longest time that samples of the host wait. */
const FLUSH_SECONDS = 0.5

/** Starts a server for each listener. The stream ends with the last test; a sustained one ends with its caller. */
export const handleServe = (
  deps: IperfDeps,
  options: AgentOptions,
  request: ServeRequest,
  context: CallerContext,
): AsyncGenerator<ServeResponse> => {
  const { sustained } = request
  const updates = createFlowUpdates({ everySample: !sustained })
  const flushSeconds = sustained ? SUSTAINED_FLUSH_SECONDS : FLUSH_SECONDS
  return iperfStream(deps, context, { updates, flushSeconds }, async (lease) => {
    const { engine, version } = await deps.engines.iperf(request.engine, lease.signal)
    const { endpoints, durationSeconds } = admitListeners(deps, options, engine, request)
    const interfaces = endpoints.map((endpoint) => endpoint.interface)
    const claims = claimsOf('server', request.direction, interfaces)
    const seconds = sustained ? undefined : durationSeconds
    lease.onEnd(deps.admission.claim(claims, request.admission, context.peer, seconds))
    if (sustained) lease.onEnd(deps.trafficLabels.register(request.label))
    await lease.sampleHost(request.hostSampling)
    const { maxDurationSeconds } = options
    const serving: Serving = {
      ...{ deps, engine, endpoints, updates, lease, maxDurationSeconds },
      request: { ...request, duration: toDuration(durationSeconds) },
    }
    const serve = sustained ? serveSustained : serveOnce
    const servers = await Promise.all(endpoints.map((_, index) => serve(serving, index)))
    const listeners = servers.map(({ port }, index) => ({ address: endpoints[index]!.address, port }))
    const started: ServeResponse = { event: { $case: 'started', value: { engine: version, listeners } } }
    return { started, results: Promise.all(servers.map(({ done }) => done)) }
  })
}

/**
 * Returns the endpoints of all listeners, with interface and address filled in.
 * @throws OperatingError naming everything that is wrong with the request
 */
const admitListeners = (
  deps: IperfDeps,
  options: AgentOptions,
  engine: IperfEngine,
  request: ServeRequest,
): { endpoints: Endpoint[]; durationSeconds: number } => {
  const endpoints = request.listeners.map((listener, index) =>
    resolveEndpoint(deps.interfaces, listener.interface, listener.address, undefined, `listeners[${index}]`),
  )
  throwIfInvalid('the serve request', [
    ...(request.listeners.length === 0
      ? [{ field: 'listeners', description: 'at least one listener is needed' }]
      : []),
    ...endpoints.flatMap(({ violations }) => violations),
    ...engine.validateServe(request),
    ...deps.hostSampling.violations(request.hostSampling),
    ...sustainedServeViolations(engine, request),
  ])
  const limits = limitsOf(options, deps.interfaces)
  const { limitsRate } = engine
  const durationSeconds = boundedServeSeconds(limits, fromDuration(request.duration), {
    flowCount: request.listeners.length,
    limitsRate,
  })
  return { endpoints, durationSeconds }
}

/** Returns the result with what the interface counted; INVALID when the server's own counts contradict that. */
const checkedResult = async (
  result: ServeResult,
  check: ReturnType<typeof countInterface>,
  signal: AbortSignal,
): Promise<ServeResult> => {
  if (result.outcome !== Outcome.OUTCOME_MEASURED) return result
  const { counted, programFault } = await check(result, signal)
  const interfaceBytes = {
    interfaceSentBytes: counted?.sentBytes,
    interfaceReceivedBytes: counted?.receivedBytes,
  }
  if (!programFault) return { ...result, ...interfaceBytes }
  const reason = `${programFault.program} ${programFault.problem}`
  return { ...result, outcome: Outcome.OUTCOME_INVALID, reason, programFault, ...interfaceBytes }
}

/** Starts the server of one listener for one test. */
const serveOnce = async (serving: Serving, index: number): Promise<ListeningServer> => {
  const { engine, request, endpoints, lease } = serving
  const { address, interface: device } = endpoints[index]!
  const idleSeconds = fromDuration(request.idleTimeout) ?? IPERF_DEFAULTS.idleTimeoutSeconds
  const durationSeconds = fromDuration(request.duration) ?? IPERF_DEFAULTS.durationSeconds
  const listener = { address, interface: device, cpu: request.cpu, idleSeconds, durationSeconds }
  const start = (port: number) => engine.serve({ ...listener, port }, lease.signal)
  const check = countInterface(serving.deps, engine.name, engine.bindsDevice ? device : '')
  const { port, server } = await startOnLeasedPort(serving, index, start)
  const shortageOf = serving.deps.cpuShortage.begin()
  const done = server.done.then((result) =>
    checkedResult({ ...result, cpuShortage: shortageOf() }, check, lease.signal),
  )
  lease.waitFor(done)
  return { port, done }
}
