import { AbortError } from 'abort-controller-x'
import { Status } from '../../../lib/errors.ts'
import type { Service } from '../../../lib/serving.ts'
import {
  clientErrorOf,
  type Failure,
  type Method,
  methodsOf,
  overTheWire,
  pathOf,
  type ServedCall,
  type ServerSide,
  serveCall,
} from './calls.ts'
import { createMessageQueue, type MessageQueue } from './message-queue.ts'
import type { ProcessClock } from './process-clock.ts'
import { type ClientEnd, type Endpoint, type ServerEnd, Session, unavailable } from './session.ts'
import type { VirtualTime } from './virtual-time.ts'

/** Of a call that names none, as in lib/calling.ts. */
const DEFAULT_DEADLINE_MS = 10_000
/** Until a host without the process refuses a connection. */
const REFUSAL_SECONDS = 0.001

/** Sees every message, for checkers and for faults. */
export type CallObserver = {
  onCall(call: ServedCall): void
  onCallEnd(call: ServedCall): void
  onRequest(call: ServedCall, message: unknown): void
  onResponse(call: ServedCall, message: unknown): void
  /** A server has failed with what is no operating error. */
  onBug(error: unknown): void
  /** What a response becomes on its way, such as the same message twice. */
  tamper(call: ServedCall, message: unknown): readonly unknown[]
}

export type ConnectionDeps = {
  time: VirtualTime
  observer: CallObserver
  /** Whether messages are encoded and decoded. Without it, most are copied and batches of the mesh are not. */
  encodes: boolean
}

type CallOptions = { signal?: AbortSignal | undefined; deadline?: number | undefined }
type Called = { definition: Service['definition']; key: string; method: Method }

const isBatch = (message: unknown): boolean =>
  (message as { event?: { $case?: string } } | undefined)?.event?.$case === 'batch'

/** One call, from its client's side to its server's. */
class Call implements ClientEnd, ServerEnd {
  readonly responses: MessageQueue<unknown>
  readonly #deps: ConnectionDeps
  readonly #called: Called
  readonly #session: Session | undefined
  readonly #undo: (() => void)[] = []
  #server: ServerSide | undefined
  #served: ServedCall | undefined
  #isOver = false

  constructor(deps: ConnectionDeps, called: Called, session: Session | undefined) {
    this.#deps = deps
    this.#called = called
    this.#session = session
    this.responses = createMessageQueue({
      onTaken: () => session?.inServer(() => this.#server?.taken()),
      onEnd: () => this.leave(),
    })
  }

  begin(client: ProcessClock, node: string, request: unknown, { signal, deadline }: CallOptions): void {
    const onAbort = () => {
      this.#cancel()
      this.#end(new AbortError(), true)
    }
    if (signal?.aborted) {
      onAbort()
      return
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#undo.push(() => signal?.removeEventListener('abort', onAbort))
    this.#undo.push(
      client.after((deadline ?? DEFAULT_DEADLINE_MS) / 1000, () => {
        this.#cancel()
        this.fail({ code: Status.DEADLINE_EXCEEDED, details: 'Deadline exceeded' })
      }),
    )
    const session = this.#session
    if (!session) {
      const refusal = unavailable(`No connection established. Last error: connect ECONNREFUSED ${node}`)
      this.#undo.push(client.after(REFUSAL_SECONDS, () => this.fail(refusal)))
      return
    }
    session.clientEnds.add(this)
    this.#undo.push(() => session.clientEnds.delete(this))
    session.toServer(({ services }) => this.#serve(session, node, services))
    if (this.#called.method.requestStream) void this.#sendAll(session, request as AsyncIterable<unknown>)
    else this.#send(session, request)
  }

  fail(failure: Failure): void {
    this.#end(clientErrorOf(`/${pathOf(this.#called.definition, this.#called.method)}`, failure))
  }

  abort(): void {
    if (this.#served) this.#served.endSeconds ??= this.#deps.time.seconds()
    this.#server?.abort()
  }

  /** The reader needs no more. */
  leave(): void {
    if (!this.#isOver) this.#cancel()
    this.close()
  }

  #serve(session: Session, node: string, services: readonly Service[]): void {
    const { definition, key, method } = this.#called
    const { observer, encodes, time } = this.#deps
    const service = services.find((each) => each.definition === definition)
    const call: ServedCall = { path: pathOf(definition, method), node, endSeconds: undefined }
    const finish = (failure: Failure | undefined): void => {
      call.endSeconds ??= time.seconds()
      session.serverEnds.delete(this)
      observer.onCallEnd(call)
      // The status of a unary call comes with its answer.
      if (!session.isServerOpen || (!failure && !method.responseStream)) return
      session.toClient(() => (failure ? this.fail(failure) : this.responses.end()))
    }
    if (!service) {
      finish({ code: Status.UNIMPLEMENTED, details: `${call.path} is not served` })
      return
    }
    this.#served = call
    session.serverEnds.add(this)
    observer.onCall(call)
    const respond = (message: unknown): void => {
      if (!session.isServerOpen) return
      observer.onResponse(call, message)
      for (const sent of observer.tamper(call, message)) {
        const received = encodes || !isBatch(sent) ? overTheWire(method.responseType, sent, encodes) : sent
        session.toClient(() => this.responses.push(received))
      }
    }
    this.#server = serveCall({
      service,
      methodKey: key,
      method,
      call,
      respond,
      finish,
      onBug: observer.onBug,
    })
  }

  #send(session: Session, message: unknown): void {
    const received = overTheWire(this.#called.method.requestType, message, this.#deps.encodes)
    session.toServer(() => {
      if (this.#served) this.#deps.observer.onRequest(this.#served, received)
      this.#server?.requests.push(received)
    })
  }

  async #sendAll(session: Session, messages: AsyncIterable<unknown>): Promise<void> {
    try {
      for await (const message of messages) {
        if (this.#isOver || !session.isClientOpen) return
        this.#send(session, message)
      }
      session.toServer(() => this.#server?.requests.end())
    } catch {
      // The sender has given up, and its signal says the same.
    }
  }

  #cancel(): void {
    this.#session?.toServer(() => this.abort())
  }

  #end(error: unknown, isAtOnce = false): void {
    if (this.#isOver) return
    this.close()
    this.responses.fail(error, isAtOnce)
  }

  /** Nothing more is sent or received. */
  close(): void {
    this.#isOver = true
    for (const undo of this.#undo.splice(0)) undo()
  }
}

/** A client's connection to an endpoint: it connects again at the next call after it broke. */
export const createConnection = (deps: ConnectionDeps, client: ProcessClock, endpoint: Endpoint) => {
  let session: Session | undefined
  let isClosed = false
  const forget = endpoint.link.onSilent(() => session?.timeOut())

  const connect = (): Session | undefined => {
    if (session?.isClientOpen) return session
    session = undefined
    if (!endpoint.link.isCut() && !endpoint.process()) return undefined
    session = new Session(deps.time, client, endpoint)
    return session
  }
  const open = (called: Called, request: unknown, options: CallOptions): Call => {
    if (isClosed) throw new Error(`the connection to ${endpoint.node} is closed`)
    const call = new Call(deps, called, connect())
    call.begin(client, endpoint.node, request, options)
    return call
  }
  const unary =
    (called: Called) =>
    async (request: unknown, options: CallOptions = {}) => {
      const call = open(called, request, options)
      try {
        const answer = await call.responses.next()
        if (answer.done) throw new Error(`${called.method.name} ended without an answer`)
        return answer.value
      } finally {
        call.close()
      }
    }
  /** The call begins with the first read, as that of a generator does. */
  const streaming =
    (called: Called) =>
    (request: unknown, options: CallOptions = {}): AsyncIterableIterator<unknown, undefined> => {
      let call: Call | undefined
      const leave = () => call?.leave()
      const done = { done: true, value: undefined } as const
      return {
        [Symbol.asyncIterator]() {
          return this
        },
        next: () => {
          call ??= open(called, request, options)
          return call.responses.next()
        },
        return: async () => {
          leave()
          return done
        },
      }
    }

  return {
    /** A client with the methods of a service, as lib/calling.ts makes them. */
    client: <Client>(definition: Service['definition']): Client =>
      Object.fromEntries(
        [...methodsOf(definition)].map(([key, method]) => {
          const called = { definition, key, method }
          return [key, method.responseStream ? streaming(called) : unary(called)]
        }),
      ) as Client,
    state: (): string => (isClosed ? 'shutdown' : session?.isClientOpen ? 'ready' : 'idle'),
    close: (): void => {
      isClosed = true
      forget()
      session?.leave()
    },
    /** The client's process has died. */
    abandon: (): void => {
      forget()
      session?.abandon()
    },
    /** The server's process has died. */
    reset: (): void => session?.reset(),
    /** The server's process has been stopped for the time of a keepalive. */
    timeOut: (): void => session?.timeOut(),
    /** Calls that have not ended at the client. */
    callCount: (): number => session?.clientEnds.size ?? 0,
  }
}

export type Connection = ReturnType<typeof createConnection>
