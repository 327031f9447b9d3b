import {
  type Attributes,
  type Context,
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type TextMapGetter,
  type TextMapSetter,
  trace,
} from '@opentelemetry/api'
import { isAbortError } from 'abort-controller-x'
import {
  ClientError,
  type ClientMiddleware,
  Metadata,
  ServerError,
  type ServerMiddleware,
  Status,
} from 'nice-grpc'

/**
 * Spans around RPCs, and the W3C context in their metadata. Written here because auto-instrumentation does not reach
 * grpc-js under ESM, and nice-grpc-opentelemetry is CommonJS: it gets a copy of the OpenTelemetry API of its own,
 * whose tracer never learns of the provider.
 */

const setter: TextMapSetter<Metadata> = { set: (metadata, key, value) => void metadata.set(key, value) }
const getter: TextMapGetter<Metadata> = {
  keys: (metadata) => [...metadata].map(([key]) => key),
  get: (metadata, key) => metadata.getAll(key).filter((value) => typeof value === 'string'),
}

/** Attributes after the OpenTelemetry semantic conventions for RPC. */
const attributesOf = (path: string): Attributes => ({
  'rpc.system.name': 'grpc',
  'rpc.method': path.slice(1),
})

const tracer = () => trace.getTracer('meshgauge-rpc')

/** A middleware's generator: yields what streams, returns what does not. */
type Steps<T> = AsyncGenerator<T, T | void, undefined>

/** Every step of a generator runs inside a context, so that what it does becomes a child. */
const bind = <T>(where: Context, generator: Steps<T>): Steps<T> => ({
  next: () => context.with(where, () => generator.next()),
  return: (value) => context.with(where, () => generator.return(value)),
  throw: (error) => context.with(where, () => generator.throw(error)),
  [Symbol.asyncIterator]() {
    return this
  },
  [Symbol.asyncDispose]: () => generator[Symbol.asyncDispose](),
})

const finish = (span: Span, error: unknown): void => {
  const known = error instanceof ServerError || error instanceof ClientError
  const code = known
    ? error.code
    : isAbortError(error)
      ? Status.CANCELLED
      : error
        ? Status.UNKNOWN
        : Status.OK
  span.setAttribute('rpc.response.status_code', Status[code])
  if (error) span.setStatus({ code: SpanStatusCode.ERROR, message: known ? error.details : String(error) })
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

export const tracingServerMiddleware: ServerMiddleware = (call, callContext) => {
  const parent = propagation.extract(ROOT_CONTEXT, callContext.metadata, getter)
  const { path } = call.method
  const attributes = { ...attributesOf(path), 'network.peer.address': callContext.peer }
  const span = tracer().startSpan(path.slice(1), { kind: SpanKind.SERVER, attributes }, parent)
  return traced(span, bind(trace.setSpan(parent, span), call.next(call.request, callContext)))
}

export const tracingClientMiddleware: ClientMiddleware = (call, options) => {
  const { path } = call.method
  const span = tracer().startSpan(path.slice(1), { kind: SpanKind.CLIENT, attributes: attributesOf(path) })
  const within = trace.setSpan(context.active(), span)
  const metadata = options.metadata ?? Metadata()
  propagation.inject(within, metadata, setter)
  return traced(span, bind(within, call.next(call.request, { ...options, metadata })))
}
