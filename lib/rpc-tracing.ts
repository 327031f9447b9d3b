/**
 * Spans around RPCs, and the W3C context in their metadata. Hand-written because auto-instrumentation does not reach
 * grpc-js under ESM, and nice-grpc-opentelemetry is CommonJS: it loads a second copy of the OpenTelemetry API, in which no
 * provider is registered.
 */

import {
  type Attributes,
  type Context,
  context,
  createContextKey,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type TextMapGetter,
  type TextMapSetter,
  TraceFlags,
  trace,
} from '@opentelemetry/api'
import { Status, statusDetailsOf, statusOf } from './errors.ts'

/** A middleware's generator: yields the messages of a stream, returns a single response. */
type Steps<T> = AsyncGenerator<T, T | void, undefined>

type OutgoingMetadata = { set(key: string, value: string): unknown }
type IncomingMetadata = Iterable<[string, unknown]> & { getAll(key: string): (string | Uint8Array)[] }

const setter: TextMapSetter<OutgoingMetadata> = {
  set: (metadata, key, value) => void metadata.set(key, value),
}
const getter: TextMapGetter<IncomingMetadata> = {
  keys: (metadata) => [...metadata].map(([key]) => key),
  get: (metadata, key) => metadata.getAll(key).filter((value) => typeof value === 'string'),
}

/** Attributes after the OpenTelemetry semantic conventions for RPC. */
const attributesOf = (path: string): Attributes => ({
  'rpc.system.name': 'grpc',
  'rpc.method': path.slice(1),
})

const tracer = () => trace.getTracer('meshgauge-rpc')

/** Runs every step of a generator inside a context, so that spans started in it become children. */
const bind = <T>(within: Context, generator: Steps<T>): Steps<T> => ({
  next: () => context.with(within, () => generator.next()),
  return: (value) => context.with(within, () => generator.return(value)),
  throw: (error) => context.with(within, () => generator.throw(error)),
  [Symbol.asyncIterator]() {
    return this
  },
  [Symbol.asyncDispose]: () => generator[Symbol.asyncDispose](),
})

const finish = (span: Span, error: unknown): void => {
  span.setAttribute('rpc.response.status_code', Status[error ? statusOf(error) : Status.OK])
  if (error) {
    span.setStatus({ code: SpanStatusCode.ERROR, message: statusDetailsOf(error) })
  }
  span.end()
}

async function* traced<T>(span: Span, inner: Steps<T>): Steps<T> {
  let failure: unknown
  try {
    return yield* inner
  } catch (error) {
    failure = error
    throw error
  } finally {
    finish(span, failure)
  }
}

const UNREQUESTED = createContextKey('work that nobody requested')

/** A parent that is not sampled. It is sent with each call, so that the server creates no spans either. */
const NOT_SAMPLED = {
  traceId: '1'.padStart(32, '0'),
  spanId: '1'.padStart(16, '0'),
  traceFlags: TraceFlags.NONE,
}

/** Runs work that nobody requested, such as polls and reconnects: neither end of its calls creates spans. */
export const withoutSpans = <T>(work: () => T): T =>
  context.with(trace.setSpanContext(ROOT_CONTEXT, NOT_SAMPLED).setValue(UNREQUESTED, true), work)

/** Services that programs call at intervals: health checks, and the discovery of a client at its start. */
const POLLED = /^\/grpc\.(?:health|reflection|channelz)\./

/** Traces a call on the server, as a child of the caller's span. */
export const traceServerCall = <T>(
  path: string,
  { metadata, peer }: { metadata: IncomingMetadata; peer: string },
  inner: Steps<T>,
): Steps<T> => {
  if (POLLED.test(path)) return inner
  const parent = propagation.extract(ROOT_CONTEXT, metadata, getter)
  const caller = trace.getSpanContext(parent)
  if (caller && (caller.traceFlags & TraceFlags.SAMPLED) === 0) return bind(parent, inner)
  const attributes = { ...attributesOf(path), 'network.peer.address': peer }
  const span = tracer().startSpan(path.slice(1), { kind: SpanKind.SERVER, attributes }, parent)
  return traced(span, bind(trace.setSpan(parent, span), inner))
}

/** Traces a call on the client, and adds its context to the metadata before the first step. */
export const traceClientCall = <T>(path: string, metadata: OutgoingMetadata, inner: Steps<T>): Steps<T> => {
  if (context.active().getValue(UNREQUESTED)) {
    propagation.inject(context.active(), metadata, setter)
    return inner
  }
  const span = tracer().startSpan(path.slice(1), { kind: SpanKind.CLIENT, attributes: attributesOf(path) })
  const within = trace.setSpan(context.active(), span)
  propagation.inject(within, metadata, setter)
  return traced(span, bind(within, inner))
}
