import { isAbortError } from 'abort-controller-x'
import {
  type CompatServiceDefinition,
  createServer,
  ServerError,
  type ServerMiddleware,
  type ServiceImplementation,
  Status,
} from 'nice-grpc'
import { errorDetailsServerMiddleware } from 'nice-grpc-error-details'
import { HealthDefinition, HealthServiceImpl, HealthState } from 'nice-grpc-server-health'
import { type CallObserver, observeCall } from './call-observer.ts'
import { capGrpcConnections } from './connection-cap.ts'
import { plaintextProblem, type Security, serverCredentials } from './credentials.ts'
import { OperatingError, toServerError } from './errors.ts'
import type { Logger } from './logging.ts'
import { traceServerCall } from './rpc-tracing.ts'
import { channelzService, reflectionService, type Service } from './serving/on-demand.ts'
import { createRequestDecoding, requestDecodingMiddleware } from './serving/request-decoding.ts'

export type { CallContext } from 'nice-grpc'
export type { Service } from './serving/on-demand.ts'

/** Limits the memory for one message. The largest real message is a page of results. */
export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024

/** Relative to this file, and to dist/agent.mjs: the bundle is in a folder of the same depth. */
const DESCRIPTORS = new URL('../proto/gen/descriptor.binpb', import.meta.url)

const KEEPALIVE_SECONDS = { interval: 10, timeout: 20 }

/**
 * Detects a lost peer (power failure, cut cable), which ends its calls. The timeout is gRPC's default: a shorter one takes
 * a peer for lost that only gets little processor time, and ending its calls would add to its load.
 */
export const KEEPALIVE_OPTIONS = {
  'grpc.keepalive_time_ms': 1000 * KEEPALIVE_SECONDS.interval,
  'grpc.keepalive_timeout_ms': 1000 * KEEPALIVE_SECONDS.timeout,
}
/** Longest time until a lost peer is detected. */
export const LOST_PEER_SECONDS = KEEPALIVE_SECONDS.interval + KEEPALIVE_SECONDS.timeout

const SERVER_OPTIONS = {
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  ...KEEPALIVE_OPTIONS,
}

/** Messages for error codes of the operating system, which gRPC includes in its own message. */
const LISTEN_PROBLEMS: readonly [RegExp, string][] = [
  [/EADDRINUSE/, 'the port is in use; stop the program that uses it, or choose another port'],
  [/EADDRNOTAVAIL/, 'this host does not have that address'],
  [/EACCES/, 'a port below 1024 needs root or CAP_NET_BIND_SERVICE'],
  [/ENOTFOUND|Name resolution failed/, 'the host name is not known'],
]

/** The error for an address on which the server cannot listen, with what to do. */
export const listenProblem = (address: string, { message }: Error): OperatingError => {
  const why = LISTEN_PROBLEMS.find(([known]) => known.test(message))?.[1] ?? message
  return new OperatingError('SPEC_INVALID', `cannot listen on ${address}: ${why}`)
}

/** Pairs a definition with its implementation, type-checked. */
export const service = <D extends CompatServiceDefinition>(
  definition: D,
  implementation: ServiceImplementation<D>,
): Service => ({
  definition,
  implementation: implementation as unknown as ServiceImplementation<CompatServiceDefinition>,
})

export type GrpcServer = {
  /** The port that was bound. */
  port: number
  /** Refuses new calls, waits for the running ones at most `graceSeconds`, then cancels them. */
  close(graceSeconds: number): Promise<void>
}

const errorBoundary = (logger: Logger): ServerMiddleware =>
  async function* (call, context) {
    try {
      return yield* call.next(call.request, context)
    } catch (error) {
      if (error instanceof OperatingError) throw toServerError(error)
      if (error instanceof ServerError || isAbortError(error)) throw error
      logger.error({ err: error, rpc: call.method.path }, 'an RPC failed because of a bug')
      throw new ServerError(Status.INTERNAL, 'internal error; the log of the server has the details')
    }
  }

const counting =
  (calls: CallObserver): ServerMiddleware =>
  (call, context) =>
    observeCall(calls, call.method.path, call.next(call.request, context))

const tracing: ServerMiddleware = (call, context) =>
  traceServerCall(call.method.path, context, call.next(call.request, context))

/**
 * Serves the services together with health, reflection and channelz.
 * @param calls observes each call
 * @throws OperatingError when the address cannot be used, or when it needs TLS or --insecure
 */
export const serveGrpc = async (
  { logger, calls }: { logger: Logger; calls?: CallObserver },
  options: { address: string; security: Security; services: readonly Service[] },
): Promise<GrpcServer> => {
  const problem = plaintextProblem(options.address, options.security)
  if (problem) throw new OperatingError('SPEC_INVALID', problem)
  const server = (calls ? createServer(SERVER_OPTIONS).use(counting(calls)) : createServer(SERVER_OPTIONS))
    .use(tracing)
    .use(errorDetailsServerMiddleware)
    .use(errorBoundary(logger))
    .use(requestDecodingMiddleware)
  const decoding = createRequestDecoding(DESCRIPTORS)
  const health = HealthState()
  const names: string[] = []
  for (const { definition, implementation } of options.services) {
    const name = (definition as { fullName: string }).fullName
    names.push(name)
    health.setStatus('healthy', name)
    server.add(decoding(definition), implementation)
  }
  health.setStatus('healthy')
  server.add(decoding(HealthDefinition), HealthServiceImpl(health) as Service['implementation'])
  const shown = [...names, 'grpc.health.v1.Health', 'grpc.channelz.v1.Channelz']
  for (const { definition, implementation } of [reflectionService(shown, DESCRIPTORS), channelzService()])
    server.add(decoding(definition), implementation)
  const port = await server
    .listen(options.address, serverCredentials(options.security))
    .catch((error: Error) => {
      throw listenProblem(options.address, error)
    })
  const uncap = capGrpcConnections(port)
  return {
    port,
    close: async (graceSeconds) => {
      uncap()
      health.setStatus('unhealthy')
      for (const name of names) health.setStatus('unhealthy', name)
      const timer = setTimeout(() => server.forceShutdown(), graceSeconds * 1000)
      await server.shutdown().finally(() => clearTimeout(timer))
    },
  }
}
