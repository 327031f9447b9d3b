import type { Clock } from '../../../lib/clock.ts'

/**
 * Pauses before a call that ended is opened again. They double up to the maximum until a call has lasted for
 * LASTED_SECONDS: a call that starts and ends at once, again and again, is treated like one that is refused.
 */
const FIRST_PAUSE_SECONDS = 0.5
const MAX_PAUSE_SECONDS = 20
const LASTED_SECONDS = 10
/** Interval at which a supervisor looks for flows that have become ready, without a call of `wake`. */
const LOOK_SECONDS = 2

export type CallSupervisorDeps = {
  clock: Clock
  /** Random number from 0 to 1. It spreads the calls of the peers of a node that was lost. */
  random: () => number
}

export type CallSupervisorOptions = {
  /** All flows that this node sends, or all that it receives. */
  flows: readonly number[]
  /** Whether a call can be opened for a flow now. */
  isReady(flow: number): boolean
  /** Opens one call for these flows. Calls `onStarted` when it works, and resolves when it has ended. Never rejects. */
  call(flows: readonly number[], onStarted: () => void, signal: AbortSignal): Promise<void>
  /** Ends the supervisor and its calls. */
  signal: AbortSignal
}

/**
 * Opens the calls to one agent for its flows, and opens them again when they end. At the start one call contains all
 * flows; flows whose calls have ended share the next one.
 */
export class CallSupervisor {
  readonly #deps: CallSupervisorDeps
  readonly #options: CallSupervisorOptions
  /** Ends the call that contains a flow. */
  readonly #open = new Map<number, AbortController>()
  readonly #active = new Set<Promise<void>>()
  readonly #settled = Promise.withResolvers<void>()
  #failureCount = 0
  #retrySeconds = Number.NEGATIVE_INFINITY
  #wake = new AbortController()
  /** Resolves when the supervisor and all of its calls have ended. */
  readonly done: Promise<void>

  constructor(deps: CallSupervisorDeps, options: CallSupervisorOptions) {
    this.#deps = deps
    this.#options = options
    this.done = this.#supervise()
  }

  /** Resolves when the first call works or has failed, or when no flow is ready. */
  get settled(): Promise<void> {
    return this.#settled.promise
  }

  /** Looks at once for flows that are ready. */
  wake(): void {
    this.#wake.abort()
  }

  /** Ends the call that contains a flow. A new call will contain it. */
  reopen(flow: number): void {
    this.#open.get(flow)?.abort()
  }

  async #supervise(): Promise<void> {
    const { flows, isReady, signal } = this.#options
    const { clock } = this.#deps
    while (!signal.aborted) {
      const wait = this.#retrySeconds - clock.monotonicSeconds()
      if (wait <= 0) {
        const ready = flows.filter((flow) => !this.#open.has(flow) && isReady(flow))
        if (ready.length > 0) this.#start(ready)
        else if (this.#active.size === 0) this.#settled.resolve()
      }
      this.#wake = new AbortController()
      const pause = wait > 0 ? wait : LOOK_SECONDS
      await clock.sleep(pause, AbortSignal.any([signal, this.#wake.signal])).catch(() => undefined)
    }
    await Promise.all(this.#active)
  }

  #start(flows: readonly number[]): void {
    const stop = new AbortController()
    for (const flow of flows) this.#open.set(flow, stop)
    const startSeconds = this.#deps.clock.monotonicSeconds()
    const signal = AbortSignal.any([this.#options.signal, stop.signal])
    const work = this.#options.call(flows, this.#settled.resolve, signal).then(() => {
      for (const flow of flows) this.#open.delete(flow)
      this.#active.delete(work)
      this.#delayNextCall(startSeconds)
      this.#settled.resolve()
      this.wake()
    })
    this.#active.add(work)
  }

  #delayNextCall(startSeconds: number): void {
    const now = this.#deps.clock.monotonicSeconds()
    if (now - startSeconds > LASTED_SECONDS) this.#failureCount = 0
    const pause = Math.min(MAX_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** this.#failureCount)
    this.#retrySeconds = now + pause * (0.5 + 0.5 * this.#deps.random())
    this.#failureCount++
  }
}
