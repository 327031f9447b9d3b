import { AsyncLocalStorage } from 'node:async_hooks'
import { AbortError, isAbortError } from 'abort-controller-x'
import { ClientError, OperatingError, Status, toClientError } from '../../../lib/errors.ts'
import type { CallContext, Service } from '../../../lib/serving.ts'
import { createMessageQueue, type MessageQueue } from './message-queue.ts'

/** Messages of a stream that the reader has not taken yet; then the writer waits, as with HTTP/2 flow control. */
const MAX_UNREAD = 100

type MessageType = {
  fromPartial(value: unknown): unknown
  encode(value: unknown): { finish(): Uint8Array }
  decode(bytes: Uint8Array): unknown
}

export type Method = {
  name: string
  requestType: MessageType
  requestStream: boolean
  responseType: MessageType
  responseStream: boolean
}

/** One call while its server works on it. */
export type ServedCall = {
  /** Such as `PingService/Mesh`. */
  readonly path: string
  readonly node: string
  /** When the caller left it, or the server ended it, in virtual seconds: what it held must end then. */
  endSeconds: number | undefined
}

/** What a message becomes on the wire: the reader gets a copy. */
export const overTheWire = (type: MessageType, value: unknown, isEncoded: boolean): unknown => {
  const copy = type.fromPartial(value)
  return isEncoded ? type.decode(type.encode(copy).finish()) : copy
}

const current = new AsyncLocalStorage<ServedCall>()

/** The call that the running code works for; undefined outside of calls. */
export const currentCall = (): ServedCall | undefined => current.getStore()

export const methodsOf = (definition: Service['definition']): Map<string, Method> =>
  new Map(Object.entries((definition as unknown as { methods: Record<string, Method> }).methods))

export const pathOf = (definition: Service['definition'], method: Method): string =>
  `${(definition as unknown as { name: string }).name}/${method.name}`

/** Why a call failed: an error of the catalogue, or a status of gRPC. */
export type Failure = OperatingError | { code: Status; details: string }

const failureOf = (error: unknown, onBug: (error: unknown) => void): Failure => {
  if (error instanceof OperatingError) return error
  if (isAbortError(error)) return { code: Status.CANCELLED, details: 'The operation was cancelled' }
  onBug(error)
  return { code: Status.INTERNAL, details: 'internal error; the log of the server has the details' }
}

export const clientErrorOf = (path: string, failure: Failure): ClientError =>
  failure instanceof OperatingError
    ? toClientError(path, failure)
    : new ClientError(path, failure.code, failure.details)

/** The server's part of a call. */
export type ServerSide = {
  requests: MessageQueue<unknown>
  /** A response was taken by the client. */
  taken(): void
  /** The client has cancelled, or the connection is broken. */
  abort(): void
}

type Serving = {
  service: Service
  methodKey: string
  method: Method
  call: ServedCall
  /** Sends one response; `finish` is the last thing that is sent. */
  respond(message: unknown): void
  finish(failure: Failure | undefined): void
  onBug(error: unknown): void
}

type Handler = (request: unknown, context: CallContext) => unknown

/** Runs the implementation of a method for one call. */
export const serveCall = (serving: Serving): ServerSide => {
  const { service, methodKey, method, call } = serving
  const controller = new AbortController()
  let unread = 0
  let wakeWriter: (() => void) | undefined
  const requests = createMessageQueue<unknown>()
  const context = {
    peer: 'collector:50052',
    sendHeader: () => undefined,
    signal: controller.signal,
  } as unknown as CallContext
  const stream: AsyncIterable<unknown> = {
    [Symbol.asyncIterator]: () => ({
      next: requests.next,
      return: async () => ({ done: true, value: undefined }),
    }),
  }
  const handler = (service.implementation as unknown as Record<string, Handler>)[methodKey]!.bind(
    service.implementation,
  )
  const respondAll = async (responses: AsyncIterable<unknown>) => {
    for await (const response of responses) {
      if (controller.signal.aborted) return
      unread++
      serving.respond(response)
      while (unread >= MAX_UNREAD && !controller.signal.aborted) {
        await new Promise<void>((resolve) => {
          wakeWriter = resolve
        })
      }
    }
  }
  const work = async () => {
    const first = method.requestStream ? { done: false, value: stream } : await requests.next()
    if (first.done) throw new AbortError()
    const answer = handler(first.value, context)
    if (method.responseStream) await respondAll(answer as AsyncIterable<unknown>)
    else serving.respond(await answer)
  }
  void current.run(call, () =>
    work()
      .then(
        () => undefined,
        (error: unknown) => failureOf(error, serving.onBug),
      )
      .then(serving.finish),
  )
  const wake = () => {
    wakeWriter?.()
    wakeWriter = undefined
  }
  return {
    requests,
    taken: () => {
      unread--
      wake()
    },
    abort: () => {
      // The words of a caller that leaves end before the break is noticed, as with HTTP/2.
      requests.end()
      controller.abort(new AbortError())
      wake()
    },
  }
}
