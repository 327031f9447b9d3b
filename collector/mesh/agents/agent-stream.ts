import { isAbortError } from 'abort-controller-x'
import type { MeshAssignment, MeshBatch, MeshStarted } from '#proto/meshgauge/agent/v1/ping.ts'
import type { Clock } from '../../../lib/clock.ts'
import { ClientError, describeCallError, Status } from '../../../lib/errors.ts'
import type { Logger } from '../../../lib/logging.ts'
import { withoutSpans } from '../../../lib/rpc-tracing.ts'
import type { AgentConnection } from '../../inventory/agents.ts'
import { createStreamRequests } from './stream-requests.ts'

/** An agent sends a batch at least every 2 s. After this time without one it is disconnected or hangs. */
export const SILENT_SECONDS = 5
/** Every call has a deadline; a stream is reopened after a day. */
const STREAM_DEADLINE_MS = 86_400_000
const MIN_BACKOFF_SECONDS = 0.25
const MAX_BACKOFF_SECONDS = 5
/**
 * After this time without an answer an agent is called only once a minute; `wake` ends the wait when another part of
 * the collector reaches it. An agent that answers and refuses (it serves another collector) keeps the short backoff.
 */
const AWAY_SECONDS = 60
const MAX_AWAY_BACKOFF_SECONDS = 60
/** An agent ends a half-closed stream at once. After this time the stream is cancelled. */
const FINISH_SECONDS = 2
/** Time between two checks whether the stream is alive. */
const CHECK_SECONDS = 1
/** A check that runs later than this shows that the collector itself was suspended; that is not the agent's silence. */
const SUSPENDED_SECONDS = 1

type Connection = Pick<AgentConnection, 'ping'>

export type AgentStreamDeps = {
  clock: Clock
  logger: Logger
  /** Returns a number in [0, 1): jitter, so that disconnected agents do not all reconnect at the same moment. */
  random: () => number
  connection: () => Connection
  /** Whether a call may reach the agent. Otherwise the stream waits for `wake`, or a minute. */
  mayReach: () => boolean
  onStarted: (started: MeshStarted) => void
  onBatch: (batch: MeshBatch) => void
  /** The agent has begun to deliver batches, or has stopped and why. */
  onDelivering: (delivers: boolean, reason: string) => void
}

/** The wait between two calls: doubles with each call, with jitter; longer for an agent that cannot be reached. */
class Backoff {
  readonly #random: () => number
  #seconds = MIN_BACKOFF_SECONDS
  #reachedSeconds: number

  constructor(random: () => number, nowSeconds: number) {
    this.#random = random
    this.#reachedSeconds = nowSeconds
  }

  reset(nowSeconds: number): void {
    this.#seconds = MIN_BACKOFF_SECONDS
    this.#reachedSeconds = nowSeconds
  }

  /** Records a call that reached the agent and has ended. */
  recordReached(openSeconds: number, nowSeconds: number): void {
    if (openSeconds > 2 * MAX_BACKOFF_SECONDS) this.#seconds = MIN_BACKOFF_SECONDS
    this.#reachedSeconds = nowSeconds
  }

  next(nowSeconds: number): number {
    const wait = this.#seconds * (0.5 + 0.5 * this.#random())
    const isAway = nowSeconds - this.#reachedSeconds > AWAY_SECONDS
    this.#seconds = Math.min(isAway ? MAX_AWAY_BACKOFF_SECONDS : MAX_BACKOFF_SECONDS, this.#seconds * 2)
    return wait
  }
}

/**
 * One stream to the mesh of one agent. It is opened when this is created and reopened with backoff after every end and
 * after SILENT_SECONDS of silence, until `stop` is aborted or `finish` is called.
 */
class AgentStream {
  readonly #deps: AgentStreamDeps
  readonly #stop: AbortSignal
  readonly #outbox = createStreamRequests()
  readonly #finishing = new AbortController()
  readonly #backoff: Backoff
  #assignment: MeshAssignment
  #call = new AbortController()
  #pause = new AbortController()
  #connection: Connection | undefined
  #isReopening = false
  /** Whether the agent has answered the current call. */
  #isReached = false
  #heardSeconds: number
  #batchSeconds = Number.NEGATIVE_INFINITY
  #delivers = false
  #reason = 'its agent has not answered yet'
  /** Resolves when the stream has ended for good. */
  readonly done: Promise<void>

  constructor(deps: AgentStreamDeps, assignment: MeshAssignment, stop: AbortSignal) {
    this.#deps = deps
    this.#assignment = assignment
    this.#stop = stop
    this.#heardSeconds = deps.clock.monotonicSeconds()
    this.#backoff = new Backoff(deps.random, this.#heardSeconds)
    // The reconnects of a stream that lasts for days would each be a span.
    this.done = withoutSpans(() => this.#runCalls())
  }

  async #runCall(signal: AbortSignal): Promise<void> {
    const requests = this.#outbox.requests(() => this.#assignment, signal)
    const options = { signal, deadline: STREAM_DEADLINE_MS }
    this.#connection = this.#deps.connection()
    for await (const { event } of this.#connection.ping.pingMesh(requests, options)) {
      this.#heardSeconds = this.#deps.clock.monotonicSeconds()
      this.#isReached = true
      if (event?.$case === 'started') this.#deps.onStarted(event.value)
      if (event?.$case !== 'batch') continue
      this.#batchSeconds = this.#heardSeconds
      this.#deps.onBatch(event.value)
      if (this.#delivers) continue
      this.#delivers = true
      this.#deps.onDelivering(true, '')
    }
    this.#reason = 'its agent ended the stream'
  }

  /** Sets the reason for the end of a call. When the collector cancelled it, the reason is set already. */
  #recordFailure(error: unknown): void {
    if (isAbortError(error)) return
    if (error instanceof ClientError) {
      this.#reason = describeCallError(error)
      if (error.code !== Status.UNAVAILABLE) this.#isReached = true
    } else {
      this.#reason = 'a message of its agent could not be processed; see the log of the collector'
      this.#deps.logger.error({ err: error }, 'a mesh stream failed because of a bug')
    }
  }

  async #runCalls(): Promise<void> {
    const { clock } = this.#deps
    const ending = AbortSignal.any([this.#stop, this.#finishing.signal])
    while (!ending.aborted) {
      this.#call = new AbortController()
      const openedSeconds = clock.monotonicSeconds()
      this.#heardSeconds = openedSeconds
      this.#isReached = false
      const mayReach = this.#deps.mayReach()
      if (mayReach)
        await this.#runCall(AbortSignal.any([this.#stop, this.#call.signal])).catch((error: unknown) =>
          this.#recordFailure(error),
        )
      else this.#reason = 'its agent does not answer'
      // Ends the generator of requests, which would otherwise wait until the next request of this agent.
      this.#call.abort()
      if (ending.aborted) return
      const endedSeconds = clock.monotonicSeconds()
      if (this.#isReached) this.#backoff.recordReached(endedSeconds - openedSeconds, endedSeconds)
      const wait = mayReach ? this.#backoff.next(endedSeconds) : MAX_AWAY_BACKOFF_SECONDS
      this.#pause = new AbortController()
      const isImmediate = this.#isReopening
      this.#isReopening = false
      await clock
        .sleep(isImmediate ? 0 : wait, AbortSignal.any([ending, this.#pause.signal]))
        .catch(() => undefined)
      if (this.#pause.signal.aborted) this.#backoff.reset(clock.monotonicSeconds())
    }
  }

  /** Ends a call to an agent that is silent. @param suspendedSeconds time since the last check that does not count */
  checkSilence(suspendedSeconds: number): void {
    if (this.#stop.aborted || this.#finishing.signal.aborted) return
    const now = this.#deps.clock.monotonicSeconds()
    this.#heardSeconds += suspendedSeconds
    this.#batchSeconds += suspendedSeconds
    if (now - this.#heardSeconds > SILENT_SECONDS && !this.#call.signal.aborted) {
      this.#reason = `its agent sent nothing for ${SILENT_SECONDS} s`
      this.#call.abort()
    }
    if (!this.#delivers || now - this.#batchSeconds <= SILENT_SECONDS) return
    this.#delivers = false
    this.#deps.onDelivering(false, this.#reason)
  }

  assign(next: MeshAssignment): void {
    this.#assignment = next
    this.#outbox.assign(next)
  }

  /** Acknowledges all batches of the session up to this sequence number: they are stored. */
  acknowledge(session: string, sequence: number): void {
    this.#outbox.acknowledge(session, sequence)
  }

  /** Half-closes the stream: the agent stops probing at once, whereas it outlives a stream that is cancelled. */
  async finish(): Promise<void> {
    this.#finishing.abort()
    this.#outbox.end()
    const timeout = this.#deps.clock.sleep(FINISH_SECONDS, this.#stop).then(
      () => this.#call.abort(),
      () => undefined,
    )
    await Promise.race([this.done, timeout])
    this.#call.abort()
    await this.done
  }

  /** Reopens the stream, so that the agent sends all unacknowledged batches again. */
  reopen(): void {
    this.#isReopening = true
    this.#call.abort()
  }

  /** Reopens the stream when the agent's connection (its address or credentials) has changed since it was opened. */
  reopenIfMoved(): void {
    if (this.#connection && this.#deps.connection() !== this.#connection) this.reopen()
  }

  /** The agent has answered another call: ends the wait before the next call. */
  wake(): void {
    this.#pause.abort()
  }

  delivers(): boolean {
    return this.#delivers
  }

  /** Returns why the agent does not deliver. */
  reason(): string {
    return this.#reason
  }
}

/** Checks all streams every CHECK_SECONDS until `stop`: one timer for the whole fleet. */
export const keepCheckingSilence = async (
  clock: Clock,
  streams: () => Iterable<Pick<AgentStream, 'checkSilence'>>,
  stop: AbortSignal,
): Promise<void> => {
  while (!stop.aborted) {
    const before = clock.monotonicSeconds()
    await clock.sleep(CHECK_SECONDS, stop).catch(() => undefined)
    if (stop.aborted) return
    const lateSeconds = clock.monotonicSeconds() - before - CHECK_SECONDS
    for (const stream of streams()) stream.checkSilence(lateSeconds > SUSPENDED_SECONDS ? lateSeconds : 0)
  }
}

/** Opens the stream to an agent. @param stop ends it; the agent then continues to probe for some minutes */
export const createAgentStream = (deps: AgentStreamDeps, first: MeshAssignment, stop: AbortSignal) =>
  new AgentStream(deps, first, stop)
