import { readFileSync } from 'node:fs'
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

/** What the operating system says, whoever passes it on; gRPC puts it into a text of its own. */
const LISTEN_PROBLEMS: readonly [RegExp, string][] = [
  [/EADDRINUSE/, 'the port is in use; stop what has it, or choose another port'],
  [/EADDRNOTAVAIL/, 'this host does not have that address'],
  [/EACCES/, 'a port below 1024 needs root or CAP_NET_BIND_SERVICE'],
  [/ENOTFOUND|Name resolution failed/, 'the host name is not known'],
]

/** Why an address cannot be listened on, in one line with what to do. */
export const listenProblem = (address: string, { message }: Error): OperatingError => {
  const why = LISTEN_PROBLEMS.find(([known]) => known.test(message))?.[1] ?? message
  return new OperatingError('SPEC_INVALID', `cannot listen on ${address}: ${why}`)
}

export type Service = {
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

const asIs = (bytes: Buffer | Uint8Array): Buffer => Buffer.from(bytes)

const methodOf = (path: string, isStream: boolean) => ({
  path,
  requestStream: isStream,
  responseStream: isStream,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
})

type Codec = {
  requestDeserialize(bytes: Buffer): unknown
  responseSerialize(value: unknown): Buffer
}

const CHANNELZ_METHODS = [
  'GetTopChannels',
  'GetServers',
  'GetServer',
  'GetServerSockets',
  'GetChannel',
  'GetSubchannel',
  'GetSocket',
]

type ChannelzHandler = (
  call: { request: unknown },
  done: (error: Error | null, response: object) => void,
) => void

/**
 * Reflection and channelz are loaded when somebody first asks for them: between them they are a tenth of an agent's
 * memory, and most agents are never asked. Until then their messages are plain bytes.
 */

/** What gRPC knows of its own channels, servers and sockets. */
const channelz = (): Service => {
  const load = async () => {
    const { getChannelzHandlers, getChannelzServiceDefinition } = await import('@grpc/grpc-js')
    return {
      handlers: getChannelzHandlers() as unknown as Record<string, ChannelzHandler>,
      codecs: getChannelzServiceDefinition() as unknown as Record<string, Codec>,
    }
  }
  const answer = (name: string) => async (bytes: Buffer) => {
    const { handlers, codecs } = await load()
    const codec = codecs[name]!
    const request = codec.requestDeserialize(bytes)
    const response = await new Promise<object>((resolve, reject) => {
      handlers[name]!({ request }, (error, found) => (error ? reject(error) : resolve(found)))
    })
    return codec.responseSerialize(response)
  }
  const definition = Object.fromEntries(
    CHANNELZ_METHODS.map((name) => [name, methodOf(`/grpc.channelz.v1.Channelz/${name}`, false)]),
  )
  const implementation = Object.fromEntries(CHANNELZ_METHODS.map((name) => [name, answer(name)]))
  return {
    definition: definition as unknown as CompatServiceDefinition,
    implementation: implementation as unknown as ServiceImplementation<CompatServiceDefinition>,
  }
}

async function* decoded(requests: AsyncIterable<Buffer>, codec: Codec): AsyncGenerator<unknown> {
  for await (const bytes of requests) yield codec.requestDeserialize(bytes)
}

/** The .proto files of these services, for grpcurl and its like. */
const reflection = (serviceNames: readonly string[]): Service => {
  const load = async () => {
    const { ServerReflection, ServerReflectionService } = await import('nice-grpc-server-reflection')
    const descriptors = readFileSync(new URL('../proto/gen/descriptor.binpb', import.meta.url))
    const { serverReflectionInfo } = ServerReflection(descriptors, [...serviceNames])
    return {
      answer: serverReflectionInfo as unknown as (
        requests: AsyncIterable<unknown>,
        context: CallContext,
      ) => AsyncIterable<unknown>,
      codec: ServerReflectionService.serverReflectionInfo as unknown as Codec,
    }
  }
  async function* serverReflectionInfo(requests: AsyncIterable<Buffer>, context: CallContext) {
    const { answer, codec } = await load()
    for await (const response of answer(decoded(requests, codec), context))
      yield codec.responseSerialize(response)
  }
  const path = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo'
  return {
    definition: { serverReflectionInfo: methodOf(path, true) } as unknown as CompatServiceDefinition,
    implementation: {
      serverReflectionInfo,
    } as unknown as ServiceImplementation<CompatServiceDefinition>,
  }
}

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
  const shown = [...names, 'grpc.health.v1.Health', 'grpc.channelz.v1.Channelz']
  for (const { definition, implementation } of [reflection(shown), channelz()])
    server.add(definition, implementation)
  const port = await server
    .listen(options.address, serverCredentials(options.security))
    .catch((error: Error) => {
      throw listenProblem(options.address, error)
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
