/** What every iperf engine does with its programs, whichever they are. */

import { IperfResult, type ServeResult } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { Clock } from '../../lib/clock.ts'
import type { RunningProcess } from '../processes.ts'
import type { IperfEvent, IperfServer } from './engine.ts'

/** The only event of a client whose program is not there. */
export const notAvailable = (reasons: readonly string[]): IperfEvent => ({
  kind: 'result',
  result: IperfResult.fromPartial({ outcome: Outcome.OUTCOME_NOT_RUN, reason: reasons.join('; ') }),
  retryable: false,
})

/**
 * Ends a program for which something has not come by its time: a client's connection, a server's client.
 * @param ended aborts when the program has ended by itself
 * @param hasCome looked at once, after so many seconds
 * @param onLate called before the program is ended
 */
export const endWhenLate = async (
  clock: Clock,
  running: RunningProcess,
  seconds: number,
  ended: AbortSignal,
  { hasCome, onLate }: { hasCome: () => boolean; onLate: () => void },
): Promise<void> => {
  const passed = await clock.sleep(seconds, ended).then(
    () => true,
    () => false,
  )
  if (!passed || hasCome()) return
  onLate()
  await running.end()
}

/**
 * A server for one test.
 * @param serve starts the program, says when it listens or why it does not, and has the test's result
 */
export const createIperfServer = (
  signal: AbortSignal,
  serve: (ready: PromiseWithResolvers<void>) => Promise<ServeResult>,
): IperfServer => {
  const ready = Promise.withResolvers<void>()
  // Whoever waits for `done` only must not crash the agent.
  ready.promise.catch(() => undefined)
  const notRun = (reason: string): ServeResult => ({ outcome: Outcome.OUTCOME_NOT_RUN, reason })
  const start = async (): Promise<ServeResult> => {
    if (!signal.aborted) return serve(ready)
    ready.reject(signal.reason)
    return notRun('nobody wants its result any more')
  }
  const done = start().catch((error: unknown): ServeResult => {
    // Nothing could be started, such as when the agent is ending.
    ready.reject(error)
    return notRun(error instanceof Error ? error.message : String(error))
  })
  return { ready: ready.promise, done }
}
