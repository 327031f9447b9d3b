import { EventEmitter, on } from 'node:events'
import { join } from 'node:path'
import {
  loadPackageDefinition,
  type Metadata,
  Server,
  ServerCredentials,
  type ServiceDefinition,
} from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { type HttpExport, startHttpReceiver } from './otlp-http-receiver.ts'
import {
  type MetricsRequest,
  type ReceivedMetric,
  type ReceivedSpan,
  readMetrics,
  readSpans,
  type TraceRequest,
} from './otlp-messages.ts'

/** A span with its child spans, in the order of their start. */
export type SpanTree = ReceivedSpan & { children: SpanTree[] }

/** A received export. `path` is the path of the URL over HTTP, or of the method over gRPC. */
type Export = { over: 'grpc' | 'http'; path: string; headers: Readonly<Record<string, unknown>> }

export type OtlpReceiver = {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT, with OTEL_EXPORTER_OTLP_PROTOCOL=grpc. */
  endpoint: string
  /** The same, with OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf. */
  httpEndpoint: string
  /** All exports in the order of arrival. */
  exports(): readonly Export[]
  spans(): readonly ReceivedSpan[]
  /** All received metrics; the last one of a name is the newest. */
  metrics(): readonly ReceivedMetric[]
  /** The received spans of a trace without a received parent: exactly one when the trace is complete. */
  tree(traceId: string): SpanTree[]
  /** Waits until the trace satisfies the predicate. When the signal aborts, rejects with the spans received until then. */
  waitForTrace(
    traceId: string,
    predicate: (roots: readonly SpanTree[], spans: readonly ReceivedSpan[]) => boolean,
    signal: AbortSignal,
  ): Promise<SpanTree[]>
  /** Waits for a metric that satisfies the predicate. */
  waitForMetric(predicate: (metric: ReceivedMetric) => boolean, signal: AbortSignal): Promise<ReceivedMetric>
  close(): Promise<void>
}

const PROTO = join(import.meta.dirname, 'otlp-proto')

const loadServices = (): { trace: ServiceDefinition; metrics: ServiceDefinition } => {
  const packages = loadPackageDefinition(
    loadSync(['trace_service.proto', 'metrics_service.proto'], {
      includeDirs: [PROTO],
      // Nanoseconds since 1970 exceed the safe integers of JavaScript.
      longs: String,
      enums: String,
      defaults: true,
      arrays: true,
      oneofs: true,
    }),
  ) as unknown as {
    opentelemetry: {
      proto: {
        collector: {
          trace: { v1: { TraceService: { service: ServiceDefinition } } }
          metrics: { v1: { MetricsService: { service: ServiceDefinition } } }
        }
      }
    }
  }
  const { trace, metrics } = packages.opentelemetry.proto.collector
  return { trace: trace.v1.TraceService.service, metrics: metrics.v1.MetricsService.service }
}

const buildTree = (spans: readonly ReceivedSpan[]): SpanTree[] => {
  const nodes = new Map(spans.map((span) => [span.spanId, { ...span, children: [] as SpanTree[] }]))
  const roots: SpanTree[] = []
  const inOrder = [...nodes.values()].sort((a, b) => a.startSeconds - b.startSeconds)
  for (const node of inOrder) (nodes.get(node.parentSpanId ?? '')?.children ?? roots).push(node)
  return roots
}

/** The trees as text: one line per span, indented below its parent. */
export const printTree = (roots: readonly SpanTree[], indent = ''): string =>
  roots
    .map(({ name, kind, resource, children }) => {
      const below = printTree(children, `${indent}  `)
      const line = `${indent}${name} [${kind}] ${resource['host.name'] ?? ''}`.trimEnd()
      return below === '' ? line : `${line}\n${below}`
    })
    .join('\n')

/** Starts an OTLP receiver for gRPC and HTTP on free ports of `host`. Processes in lab hosts cannot reach loopback. */
export const startOtlpReceiver = async (host = '127.0.0.1'): Promise<OtlpReceiver> => {
  const spans: ReceivedSpan[] = []
  const metrics: ReceivedMetric[] = []
  const arrivals = new EventEmitter()
  arrivals.setMaxListeners(0)
  const services = loadServices()
  const server = new Server({ 'grpc.max_receive_message_length': 64 * 1024 * 1024 })
  type Done = (error: Error | null, response: object) => void
  const exports: Export[] = []
  const receive = (how: Export, request: TraceRequest | MetricsRequest) => {
    exports.push(how)
    if ('resourceSpans' in request) spans.push(...readSpans(request))
    else metrics.push(...readMetrics(request))
    arrivals.emit('arrival')
  }
  type Call = { request: TraceRequest | MetricsRequest; metadata: Metadata }
  for (const service of [services.trace, services.metrics]) {
    const { path } = service.Export!
    server.addService(service, {
      Export: ({ request, metadata }: Call, done: Done) => {
        receive({ over: 'grpc', path, headers: metadata.getMap() }, request)
        done(null, {})
      },
    })
  }
  const overHttp =
    (service: ServiceDefinition) =>
    ({ path, headers, body }: HttpExport) => {
      if (headers['content-type'] !== 'application/x-protobuf') throw new Error('only protobuf')
      receive({ over: 'http', path, headers }, service.Export!.requestDeserialize(body))
    }
  const http = await startHttpReceiver(host, {
    '/v1/traces': overHttp(services.trace),
    '/v1/metrics': overHttp(services.metrics),
    '/elsewhere': overHttp(services.trace),
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${host}:0`, ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    )
  })

  /** Calls `attempt` now and after each export until it returns a value. */
  const waitFor = async <T>(
    attempt: () => T | undefined,
    describe: () => string,
    signal: AbortSignal,
  ): Promise<T> => {
    const arrived = on(arrivals, 'arrival', { signal })
    try {
      for (;;) {
        const result = attempt()
        if (result !== undefined) return result
        await arrived.next()
      }
    } catch (error) {
      if (signal.aborted) throw new Error(describe(), { cause: error })
      throw error
    } finally {
      await arrived.return?.()
    }
  }

  const ofTrace = (traceId: string) => spans.filter((span) => span.traceId === traceId)
  return {
    endpoint: `http://${host}:${port}`,
    httpEndpoint: `http://${host}:${http.port}`,
    exports: () => exports,
    spans: () => spans,
    metrics: () => metrics,
    tree: (traceId) => buildTree(ofTrace(traceId)),
    waitForTrace: (traceId, predicate, signal) =>
      waitFor(
        () => {
          const own = ofTrace(traceId)
          const roots = buildTree(own)
          return predicate(roots, own) ? roots : undefined
        },
        () =>
          `trace ${traceId} does not satisfy the predicate; received:\n${printTree(buildTree(ofTrace(traceId)))}`,
        signal,
      ),
    waitForMetric: (predicate, signal) =>
      waitFor(
        () => metrics.findLast(predicate),
        () =>
          `no metric satisfies the predicate; received: ${[...new Set(metrics.map(({ name }) => name))].join(', ')}`,
        signal,
      ),
    close: async () => {
      await http.close()
      await new Promise<void>((resolve, reject) =>
        server.tryShutdown((error) => (error ? reject(error) : resolve())),
      )
    },
  }
}
