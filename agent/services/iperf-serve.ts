import type { ServeRequest, ServeResponse } from '#proto/meshgauge/agent/v1/iperf.ts'
import { OperatingError, throwIfInvalid } from '../../lib/errors.ts'
import { fromDuration } from '../../lib/protobuf-time.ts'
import { IPERF_DEFAULTS } from '../../lib/test-defaults.ts'
import { claimsOf } from '../admission.ts'
import { EngineError, type IperfEngine, type IperfServer } from '../engines/engine.ts'
import type { HostSamplingSession } from '../host/sampling-session.ts'
import { checkFlowLimits, limitsOf } from '../limits.ts'
import type { AgentOptions } from '../options.ts'
import { follow } from './follow.ts'
import { type CallerContext, type IperfDeps as Deps, resolveEnd } from './iperf-end.ts'

/** Samples of the host wait at most this long. */
const FLUSH_SECONDS = 0.5

/** Everything one stream has started and must give back. */
export type Opened = { servers: IperfServer[]; ports: { port: number; width: number }[] }

export async function* serve(
  deps: Deps,
  options: AgentOptions,
  request: ServeRequest,
  context: CallerContext,
): AsyncGenerator<ServeResponse> {
  const stream = deps.draining.track(context.signal)
  const opened: Opened = { servers: [], ports: [] }
  const stop = new AbortController()
  const signal = AbortSignal.any([stream.signal, stop.signal])
  let release: (() => void) | undefined
  let story: HostSamplingSession | undefined
  try {
    deps.draining.throwIfDraining()
    const { engine, version } = await deps.engines.iperf(request.engine, stream.signal)
    const ends = admitListeners(deps, options, engine, request)
    const claims = claimsOf(
      'server',
      request.direction,
      ends.map((end) => end.interface),
    )
    release = deps.admission.claim(claims, request.admission, context.peer)
    story = await deps.hostSampling.begin(request.hostSampling, signal)
    const listeners = await Promise.all(
      ends.map(async (end, index) => {
        const wanted = { ...end, port: request.listeners[index]!.port }
        const { server, port } = await listen(deps, engine, request, wanted, opened, signal)
        return { server, address: end.address, port }
      }),
    )
    yield {
      event: {
        $case: 'started',
        value: { engine: version, listeners: listeners.map(({ address, port }) => ({ address, port })) },
      },
    }
    const served = Promise.all(listeners.map(({ server }) => server.done))
    const isRunning = follow(served, deps.clock, signal)
    for (let running = true; running; ) {
      running = await isRunning(FLUSH_SECONDS)
      stream.signal.throwIfAborted()
      const host = running ? story.take() : await story.end()
      if (host) yield { event: { $case: 'hostSamples', value: host } }
    }
    yield { event: { $case: 'summary', value: { results: await served } } }
  } finally {
    stop.abort()
    await Promise.all(opened.servers.map((server) => server.done))
    await story?.close()
    for (const { port, width } of opened.ports) deps.ports.release(port, width)
    release?.()
    stream.end()
  }
}

/** The listeners with their interfaces and addresses filled in; throws what is wrong with the request. */
export const admitListeners = (
  deps: Deps,
  options: AgentOptions,
  engine: IperfEngine,
  request: ServeRequest,
): { interface: string; address: string }[] => {
  const ends = request.listeners.map((listener, index) =>
    resolveEnd(deps.interfaces, listener.interface, listener.address, 4, `listeners[${index}]`),
  )
  throwIfInvalid('the serve request', [
    ...(request.listeners.length === 0
      ? [{ field: 'listeners', description: 'at least one listener is needed' }]
      : []),
    ...ends.flatMap((end) => end.violations),
    ...engine.validateServe(request),
    ...deps.hostSampling.violations(request.hostSampling),
  ])
  const limits = limitsOf(options, deps.interfaces)
  checkFlowLimits(limits, request.listeners.length, fromDuration(request.duration) ?? 0)
  return ends
}

/** Starts one server on a leased port, or on the next one where another program has the port. */
const listen = async (
  deps: Deps,
  engine: IperfEngine,
  request: ServeRequest,
  end: { interface: string; address: string; port: number },
  opened: Opened,
  signal: AbortSignal,
): Promise<{ server: IperfServer; port: number }> => {
  const start = (port: number) =>
    engine.serve(
      {
        address: end.address,
        port,
        interface: end.interface,
        cpu: request.cpu,
        idleSeconds: fromDuration(request.idleTimeout) ?? IPERF_DEFAULTS.idleTimeoutSeconds,
        durationSeconds: fromDuration(request.duration) ?? IPERF_DEFAULTS.durationSeconds,
      },
      signal,
    )
  return leaseAndStart(deps, engine, request, end.port, opened, start)
}

/** Starts a server on leased ports, one after the other, until it listens. */
export const leaseAndStart = async (
  deps: Pick<Deps, 'ports'>,
  engine: IperfEngine,
  request: ServeRequest,
  askedPort: number,
  opened: Opened,
  start: (port: number) => IperfServer,
): Promise<{ server: IperfServer; port: number }> => {
  const taken = new Set<number>()
  const width = engine.portsPerServer
  const wanted =
    askedPort > 0
      ? { first: askedPort, last: askedPort + width - 1 }
      : (request.ports ?? { first: 1, last: 65535 })
  while (true) {
    const port = deps.ports.lease(wanted, taken, width)
    opened.ports.push({ port, width })
    const server = start(port)
    opened.servers.push(server)
    try {
      await server.ready
      return { server, port }
    } catch (error) {
      await server.done
      if (!(error instanceof EngineError)) throw error
      if (error.kind !== 'address-in-use') throw new OperatingError('ENGINE_UNAVAILABLE', error.message)
      taken.add(port)
    }
  }
}
