import { isAbortError } from 'abort-controller-x'
import { ClientError, Status } from 'nice-grpc'
import type {
  MeshAssignment,
  MeshBatch,
  MeshStarted,
  PingMeshRequest,
} from '#proto/meshgauge/agent/v1/ping.ts'
import type { Clock } from '../../../lib/clock.ts'
import { describeCallError } from '../../../lib/errors.ts'
import type { Logger } from '../../../lib/logging.ts'
import type { AgentConnection } from '../../inventory/agents.ts'

/** A batch comes at least every 2 s; an agent that says nothing for so long is cut off, or hangs. */
export const SILENT_SECONDS = 5
/** Every call has a deadline; a stream that is a day old is opened anew. */
const STREAM_DEADLINE_MS = 86_400_000
const FIRST_BACKOFF_SECONDS = 0.25
const LONGEST_BACKOFF_SECONDS = 5
/**
 * An agent that could not be reached for so long is called seldom: who asks it how it is says when it is back. One that
 * answers and refuses, such as for another collector's sake, is called as before.
 */
const AWAY_SECONDS = 60
const LONGEST_AWAY_BACKOFF_SECONDS = 60
/** An agent ends a half-closed stream at once; one that hangs is left to itself after so long. */
const FINISH_SECONDS = 2
/** Between looks at whether a stream is still alive. */
const WATCH_SECONDS = 1
/** A look that comes so much later means that this collector was held up, and that is no silence of an agent. */
const HELD_UP_SECONDS = 1

type Connection = Pick<AgentConnection, 'ping'>

export type AgentStreamDeps = {
  clock: Clock
  logger: Logger
  /** From 0 to 1, for jitter: agents that were cut off together do not come back together. */
  random: () => number
  connection: () => Connection
  onStarted: (started: MeshStarted) => void
  onBatch: (batch: MeshBatch) => void
  /** The stream has begun to deliver, or does not any more and why. */
  onDelivering: (delivers: boolean, reason: string) => void
}

/** What is still to be sent: the newest of each kind is enough, so nothing can pile up. */
const createMailbox = () => {
  let assignment: MeshAssignment | undefined
  let acknowledgement: { session: string; sequence: number } | undefined
  let ended = false
  let wake = (): void => undefined
  return {
    end: (): void => {
      ended = true
      wake()
    },
    assign: (next: MeshAssignment): void => {
      assignment = next
      wake()
    },
    acknowledge: (session: string, sequence: number): void => {
      acknowledgement = { session, sequence }
      wake()
    },
    async *requests(current: () => MeshAssignment, signal: AbortSignal): AsyncGenerator<PingMeshRequest> {
      assignment = current()
      acknowledgement = undefined
      const abort = () => wake()
      signal.addEventListener('abort', abort, { once: true })
      try {
        while (!ended) {
          // A stream that is cut must not look like one that was left: then the agent would end its probing.
          signal.throwIfAborted()
          if (assignment) {
            const value = assignment
            assignment = undefined
            yield { request: { $case: 'assignment', value } }
          } else if (acknowledgement) {
            const value = acknowledgement
            acknowledgement = undefined
            yield { request: { $case: 'acknowledgement', value } }
          } else {
            await new Promise<void>((resolve) => {
              wake = resolve
            })
          }
        }
      } finally {
        signal.removeEventListener('abort', abort)
      }
    },
  }
}

/**
 * Keeps one stream to one agent's mesh for as long as the signal lasts. It is opened anew after every end, with
 * growing waits, and when nothing comes over it any more.
 */
export const createAgentStream = (deps: AgentStreamDeps, first: MeshAssignment, stop: AbortSignal) => {
  const { clock } = deps
  const mailbox = createMailbox()
  let assignment = first
  let call = new AbortController()
  let heardSeconds = clock.monotonicSeconds()
  let batchSeconds = Number.NEGATIVE_INFINITY
  let delivers = false
  let reason = 'its agent has not answered yet'
  let connection: Connection | undefined
  let reopening = false
  let isReached = false
  let pause = new AbortController()
  const leaving = new AbortController()

  const stream = async (signal: AbortSignal): Promise<void> => {
    const requests = mailbox.requests(() => assignment, signal)
    const options = { signal, deadline: STREAM_DEADLINE_MS }
    connection = deps.connection()
    for await (const { event } of connection.ping.pingMesh(requests, options)) {
      heardSeconds = clock.monotonicSeconds()
      isReached = true
      if (event?.$case === 'started') deps.onStarted(event.value)
      if (event?.$case !== 'batch') continue
      batchSeconds = heardSeconds
      deps.onBatch(event.value)
      if (delivers) continue
      delivers = true
      deps.onDelivering(true, '')
    }
    reason = 'its agent ended the stream'
  }

  /** What a stream's end means; one that we ended has its reason already. */
  const explain = (error: unknown): void => {
    if (isAbortError(error)) return
    if (error instanceof ClientError) {
      reason = describeCallError(error)
      if (error.code !== Status.UNAVAILABLE) isReached = true
    } else {
      reason = 'its agent sent what cannot be read'
      deps.logger.error({ err: error }, 'a mesh stream failed because of a bug')
    }
  }

  const keep = async (): Promise<void> => {
    let backoff = FIRST_BACKOFF_SECONDS
    let reachedSeconds = clock.monotonicSeconds()
    const waiting = AbortSignal.any([stop, leaving.signal])
    while (!waiting.aborted) {
      call = new AbortController()
      const openedSeconds = clock.monotonicSeconds()
      heardSeconds = openedSeconds
      isReached = false
      await stream(AbortSignal.any([stop, call.signal])).catch(explain)
      // What waits to be sent over it waits for nothing any more; an agent may be away for weeks.
      call.abort()
      if (waiting.aborted) return
      const lasted = clock.monotonicSeconds() - openedSeconds > 2 * LONGEST_BACKOFF_SECONDS
      if (lasted && isReached) backoff = FIRST_BACKOFF_SECONDS
      if (isReached) reachedSeconds = clock.monotonicSeconds()
      const wait = reopening ? 0 : backoff * (0.5 + 0.5 * deps.random())
      reopening = false
      const isAway = clock.monotonicSeconds() - reachedSeconds > AWAY_SECONDS
      const longest = isAway ? LONGEST_AWAY_BACKOFF_SECONDS : LONGEST_BACKOFF_SECONDS
      backoff = Math.min(longest, backoff * 2)
      pause = new AbortController()
      await clock.sleep(wait, AbortSignal.any([waiting, pause.signal])).catch(() => undefined)
      if (!pause.signal.aborted) continue
      backoff = FIRST_BACKOFF_SECONDS
      reachedSeconds = clock.monotonicSeconds()
    }
  }

  const watch = async (): Promise<void> => {
    while (!stop.aborted && !leaving.signal.aborted) {
      const before = clock.monotonicSeconds()
      await clock.sleep(WATCH_SECONDS, stop).catch(() => undefined)
      const now = clock.monotonicSeconds()
      const lateSeconds = now - before - WATCH_SECONDS
      if (lateSeconds > HELD_UP_SECONDS) {
        heardSeconds += lateSeconds
        batchSeconds += lateSeconds
      }
      if (now - heardSeconds > SILENT_SECONDS && !call.signal.aborted) {
        reason = `nothing came from its agent for ${SILENT_SECONDS} s`
        call.abort()
      }
      if (!delivers || now - batchSeconds <= SILENT_SECONDS || stop.aborted) continue
      delivers = false
      deps.onDelivering(false, reason)
    }
  }

  const reopen = (): void => {
    reopening = true
    call.abort()
  }
  const kept = keep()
  const done = Promise.all([kept, watch()]).then(() => undefined)
  return {
    done,
    assign: (next: MeshAssignment): void => {
      assignment = next
      mailbox.assign(next)
    },
    acknowledge: mailbox.acknowledge,
    /** Half-closes the stream: the agent ends its probing at once, where a stream that is cut is outlived. */
    finish: async (): Promise<void> => {
      leaving.abort()
      mailbox.end()
      const cut = clock.sleep(FINISH_SECONDS, stop).then(
        () => call.abort(),
        () => undefined,
      )
      await Promise.race([kept, cut])
      call.abort()
      await kept
    },
    /** Opens the stream anew, so that the agent sends again what was not acknowledged. */
    reopen,
    /** Opens the stream anew when the agent is to be reached in another way than when it was opened. */
    follow: (): void => {
      if (connection && deps.connection() !== connection) reopen()
    },
    /** Its agent has answered somebody: it is called at once, if it is not called now. */
    wake: (): void => pause.abort(),
    delivers: (): boolean => delivers,
    /** Why it does not deliver. */
    reason: (): string => reason,
  }
}
