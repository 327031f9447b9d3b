import {
  type Client,
  credentials,
  loadPackageDefinition,
  type ServiceClientConstructor,
  type ServiceError,
} from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

/** Opens a gRPC client built from the .proto files at run time. It shares no stub, option or middleware with meshgauge. */
export const openIndependentClient = (port: number, host = '127.0.0.1') => {
  const root = new URL('../../proto/', import.meta.url).pathname
  const files = [
    'agent/v1/agent',
    'agent/v1/check',
    'agent/v1/ping',
    'agent/v1/iperf',
    'collector/v1/fleet',
    'collector/v1/health',
    'collector/v1/run',
    'collector/v1/profile',
    'collector/v1/result',
    'collector/v1/mesh',
    'collector/v1/schedule',
    'collector/v1/traffic',
  ]
  const definition = loadSync(
    files.map((file) => `meshgauge/${file}.proto`),
    { includeDirs: [root], longs: Number, enums: String, oneofs: true, defaults: false },
  )
  const loaded = loadPackageDefinition(definition)
  const clients = new Map<string, Client>()
  const clientOf = (service: string): Client => {
    const known = clients.get(service)
    if (known) return known
    const Service = service
      .split('.')
      .reduce<unknown>((scope, name) => (scope as Record<string, unknown>)[name], loaded)
    const client = new (Service as ServiceClientConstructor)(`${host}:${port}`, credentials.createInsecure())
    clients.set(service, client)
    return client
  }
  type Method = (request: object, ...rest: unknown[]) => unknown
  const method = (service: string, name: string): Method => {
    const client = clientOf(service) as unknown as Record<string, Method>
    return client[name]!.bind(client)
  }
  return {
    call: <T>(service: string, name: string, request: object): Promise<T> =>
      new Promise((resolve, reject) => {
        method(service, name)(request, (error: ServiceError | null, response: T) =>
          error ? reject(error) : resolve(response),
        )
      }),
    /** Opens a server stream. Iterate over it, or `cancel()` it. */
    stream: <T>(service: string, name: string, request: object) =>
      method(service, name)(request) as AsyncIterable<T> & { cancel(): void },
    /** Opens a bidirectional stream: `end()` half-closes it, `cancel()` aborts it. */
    duplex: <T>(service: string, name: string) =>
      method(service, name)(undefined as never) as AsyncIterable<T> & {
        write(message: object): void
        end(): void
        cancel(): void
      },
    close: () => {
      for (const client of clients.values()) client.close()
    },
  }
}

export type IndependentClient = ReturnType<typeof openIndependentClient>
