import type { Clock } from '../../../lib/clock.ts'

/**
 * Pauses before a call that ended is opened again: a peer that is back is seen soon, one that is gone costs little. They
 * grow until a call has lasted: one that begins and ends at once, again and again, is as bad as one that is refused.
 */
const FIRST_PAUSE_SECONDS = 0.5
const LAST_PAUSE_SECONDS = 5
const LASTED_SECONDS = 2 * LAST_PAUSE_SECONDS
/** How often it is looked whether a flow has become due, when nobody says so. */
const LOOK_SECONDS = 2

type Options = {
  /** All flows of this end. */
  flows: readonly number[]
  /** Whether a call can be opened for a flow now. */
  isDue(flow: number): boolean
  /** Keeps one call open for these flows until it ends; tells when it works. Never rejects. */
  call(flows: readonly number[], begun: () => void, signal: AbortSignal): Promise<void>
}

/**
 * Keeps every flow of one end of one node in an open call. At the start that is one call for all; flows whose call was
 * lost go together into the next one.
 */
export const createCalls = (
  /** `random` is from 0 to 1: the peers of one that was lost do not all come back at once. */
  { clock, random }: { clock: Clock; random: () => number },
  { flows, isDue, call }: Options,
  signal: AbortSignal,
) => {
  const open = new Map<number, AbortController>()
  const running = new Set<Promise<void>>()
  const settled = Promise.withResolvers<void>()
  let failures = 0
  let retryAt = Number.NEGATIVE_INFINITY
  let awake = new AbortController()
  const wake = () => awake.abort()

  const start = (due: readonly number[]) => {
    const stop = new AbortController()
    for (const flow of due) open.set(flow, stop)
    const startSeconds = clock.monotonicSeconds()
    const work = call(due, settled.resolve, AbortSignal.any([signal, stop.signal])).then(() => {
      for (const flow of due) open.delete(flow)
      running.delete(work)
      const now = clock.monotonicSeconds()
      if (now - startSeconds > LASTED_SECONDS) failures = 0
      const pause = Math.min(LAST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** failures)
      retryAt = now + pause * (0.5 + 0.5 * random())
      failures++
      settled.resolve()
      wake()
    })
    running.add(work)
  }

  const keep = async () => {
    while (!signal.aborted) {
      const wait = retryAt - clock.monotonicSeconds()
      if (wait <= 0) {
        const due = flows.filter((flow) => !open.has(flow) && isDue(flow))
        if (due.length > 0) start(due)
        else if (running.size === 0) settled.resolve()
      }
      awake = new AbortController()
      const pause = wait > 0 ? wait : LOOK_SECONDS
      await clock.sleep(pause, AbortSignal.any([signal, awake.signal])).catch(() => undefined)
    }
    await Promise.all(running)
  }

  return {
    done: keep(),
    /** Resolves when the first call works, or has failed, or there is nothing to call for. */
    settled: settled.promise,
    /** Something may be due now. */
    wake,
    /** Ends the call that a flow is in, so that it goes into a new one. */
    reopen: (flow: number) => open.get(flow)?.abort(),
  }
}

export type Calls = ReturnType<typeof createCalls>
