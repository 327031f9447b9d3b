import { readFileSync } from 'node:fs'
import { getChannelzHandlers, getChannelzServiceDefinition } from '@grpc/grpc-js'
import { isAbortError } from 'abort-controller-x'
import {
  type CallContext,
  type CompatServiceDefinition,
  createServer,
  ServerError,
  type ServerMiddleware,
  type ServiceImplementation,
  Status,
} from 'nice-grpc'
import { errorDetailsServerMiddleware } from 'nice-grpc-error-details'
import { HealthDefinition, HealthServiceImpl, HealthState } from 'nice-grpc-server-health'
import { ServerReflection, ServerReflectionService } from 'nice-grpc-server-reflection'
import { plaintextProblem, type Security, serverCredentials } from './credentials.ts'
import { OperatingError, toServerError } from './errors.ts'
import type { Logger } from './logging.ts'
import { type CallObserver, countingServerMiddleware } from './rpc-counting.ts'
import { tracingServerMiddleware } from './rpc-tracing.ts'

/** Bounds the memory one message can claim; the largest real one is a page of results. */
export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024

const SERVER_OPTIONS = {
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  // A caller that vanished without a word (power, cable) is noticed within 15 s, and what it started ends.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
}

type Service = {
  definition: CompatServiceDefinition
  implementation: ServiceImplementation<CompatServiceDefinition>
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

const channelz = (): Service => {
  const handlers = getChannelzHandlers() as unknown as Record<
    string,
    (call: { request: unknown }, done: (error: Error | null, response: object) => void) => void
  >
  const implementation = Object.fromEntries(
    Object.entries(handlers).map(([name, handle]) => [
      name,
      (request: unknown, _context: CallContext) =>
        new Promise<object>((resolve, reject) => {
          handle({ request }, (error, response) => (error ? reject(error) : resolve(response)))
        }),
    ]),
  )
  return {
    definition: getChannelzServiceDefinition() as CompatServiceDefinition,
    implementation: implementation as unknown as ServiceImplementation<CompatServiceDefinition>,
  }
}

const descriptorSet = () => readFileSync(new URL('../proto/gen/descriptor.binpb', import.meta.url))

/**
 * Serves the services with what every gRPC user expects beside them: health, reflection, channelz.
 * @param calls is told of each call
 * @throws Error with one clear line when the address is taken or plaintext was not asked for.
 */
export const serveGrpc = async (
  { logger, calls }: { logger: Logger; calls?: CallObserver },
  options: { address: string; security: Security; services: readonly Service[] },
): Promise<GrpcServer> => {
  const problem = plaintextProblem(options.address, options.security)
  if (problem) throw new OperatingError('SPEC_INVALID', problem)
  const server = (
    calls ? createServer(SERVER_OPTIONS).use(countingServerMiddleware(calls)) : createServer(SERVER_OPTIONS)
  )
    .use(tracingServerMiddleware)
    .use(errorDetailsServerMiddleware)
    .use(errorBoundary(logger))
  const health = HealthState()
  const names: string[] = []
  for (const { definition, implementation } of options.services) {
    const name = (definition as { fullName: string }).fullName
    names.push(name)
    health.setStatus('healthy', name)
    server.add(definition, implementation)
  }
  health.setStatus('healthy')
  server.add(HealthDefinition, HealthServiceImpl(health))
  server.add(
    ServerReflectionService,
    ServerReflection(descriptorSet(), [...names, 'grpc.health.v1.Health', 'grpc.channelz.v1.Channelz']),
  )
  const { definition, implementation } = channelz()
  server.add(definition, implementation)
  const port = await server
    .listen(options.address, serverCredentials(options.security))
    .catch((error: Error) => {
      throw new OperatingError('SPEC_INVALID', `cannot listen on ${options.address}: ${error.message}`)
    })
  return {
    port,
    close: async (graceSeconds) => {
      health.setStatus('unhealthy')
      for (const name of names) health.setStatus('unhealthy', name)
      const timer = setTimeout(() => server.forceShutdown(), graceSeconds * 1000)
      await server.shutdown().finally(() => clearTimeout(timer))
    },
  }
}
