import { Status } from '../../../lib/errors.ts'
import type { Service } from '../../../lib/serving.ts'
import type { Failure } from './calls.ts'
import { createLane, KEEPALIVE_SECONDS, type Link } from './links.ts'
import type { ProcessClock } from './process-clock.ts'
import type { VirtualTime } from './virtual-time.ts'

/** A process that serves. */
export type ServerProcess = { clock: ProcessClock; services: readonly Service[] }

/** Where calls to one node arrive. Its process is another one after each restart; undefined while none runs. */
export type Endpoint = { node: string; link: Link; process(): ServerProcess | undefined }

/** The client's end of a call, and the server's: a break reaches each at its own time. */
export type ClientEnd = { fail(failure: Failure): void }
export type ServerEnd = { abort(): void }

export const unavailable = (details: string): Failure => ({ code: Status.UNAVAILABLE, details })

/** One TCP connection. Either end may consider it broken while the other one does not know it yet. */
export class Session {
  readonly clientEnds = new Set<ClientEnd>()
  readonly serverEnds = new Set<ServerEnd>()
  readonly #client: ProcessClock
  readonly #endpoint: Endpoint
  readonly #toServerLane = createLane()
  readonly #toClientLane = createLane()
  #server: ServerProcess | undefined
  #isClientOpen = true
  #isServerOpen = true

  constructor(time: VirtualTime, client: ProcessClock, endpoint: Endpoint) {
    this.#client = client
    this.#endpoint = endpoint
    // Nothing was heard of the other end for the time of a keepalive: the connection was never made.
    time.schedule(KEEPALIVE_SECONDS, () => {
      if (!this.#server) client.run(() => this.breakClient(`connect ETIMEDOUT ${endpoint.node}`))
    })
  }

  get isClientOpen(): boolean {
    return this.#isClientOpen
  }
  get isServerOpen(): boolean {
    return this.#isServerOpen
  }

  /** Runs something in the client's process after the way there, unless the client has given up by then. */
  toClient(act: () => void): void {
    this.#endpoint.link.send(this.#toClientLane, () => {
      if (this.#isClientOpen) this.#client.run(() => this.#isClientOpen && act())
    })
  }

  /** Runs something in the server's process after the way there. A process that was replaced answers with a reset. */
  toServer(act: (server: ServerProcess) => void): void {
    this.#endpoint.link.send(this.#toServerLane, () => {
      if (!this.#isServerOpen) return
      const running = this.#endpoint.process()
      this.#server ??= running
      if (!running || running !== this.#server) this.reset()
      else running.clock.run(() => this.#isServerOpen && act(running))
    })
  }

  /** Runs something in the server's process at once: what both ends know without a message. */
  inServer(act: () => void): void {
    this.#server?.clock.run(() => this.#isServerOpen && act())
  }

  /** The server's process is gone, and its host answers with a reset. */
  reset(): void {
    this.#isServerOpen = false
    this.toClient(() => this.breakClient('read ECONNRESET'))
  }

  /** Neither end has heard of the other for the time of a keepalive. */
  timeOut(): void {
    this.#client.run(() => this.breakClient('Keepalive timeout'))
    this.#server?.clock.run(() => this.breakServer())
  }

  breakClient(details: string): void {
    if (!this.#isClientOpen) return
    this.#isClientOpen = false
    for (const call of [...this.clientEnds]) call.fail(unavailable(details))
  }

  breakServer(): void {
    if (!this.#isServerOpen) return
    this.#isServerOpen = false
    for (const call of [...this.serverEnds]) call.abort()
  }

  /** The client's process has died: nothing of it learns of the end. */
  abandon(): void {
    this.toServer(() => this.breakServer())
    this.#isClientOpen = false
  }

  /** The client closes it. */
  leave(): void {
    this.toServer(() => this.breakServer())
    this.breakClient('Channel closed')
  }
}
