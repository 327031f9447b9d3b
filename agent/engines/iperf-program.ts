/** Handling of programs that all iperf engines have in common. */

import { IperfResult, type ServeResult } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { Clock } from '../../lib/clock.ts'
import type { RunningProcess } from '../processes.ts'
import type { IperfEvent, IperfServer } from './engine.ts'

/** The only event of a client whose program is not available. */
export const notAvailable = (reasons: readonly string[]): IperfEvent => ({
  kind: 'result',
  result: IperfResult.fromPartial({ outcome: Outcome.OUTCOME_NOT_RUN, reason: reasons.join('; ') }),
  retryable: false,
})

/**
 * Ends a program when an expected event does not happen in time: a client connects, or a server gets its client.
 * @param ended aborts when the program has ended
 * @param hasHappened called once, after `seconds`
 * @param onLate called before the program is ended
 */
export const endWhenLate = async (
  clock: Clock,
  running: RunningProcess,
  seconds: number,
  ended: AbortSignal,
  { hasHappened, onLate }: { hasHappened: () => boolean; onLate: (pid: number) => void },
): Promise<void> => {
  const passed = await clock.sleep(seconds, ended).then(
    () => true,
    () => false,
  )
  if (!passed || hasHappened() || running.pid === undefined) return
  onLate(running.pid)
  await running.end()
}

/**
 * Creates a server for one test.
 * @param serve starts the program, settles `ready` when it listens or fails, and returns the result of the test
 */
export const createIperfServer = (
  signal: AbortSignal,
  serve: (ready: PromiseWithResolvers<void>) => Promise<ServeResult>,
): IperfServer => {
  const ready = Promise.withResolvers<void>()
  // A caller that waits only for `done` must not crash the agent.
  ready.promise.catch(() => undefined)
  const notRun = (reason: string): ServeResult => ({
    outcome: Outcome.OUTCOME_NOT_RUN,
    reason,
    programFault: undefined,
    cpuShortage: '',
  })
  const start = async (): Promise<ServeResult> => {
    if (!signal.aborted) return serve(ready)
    ready.reject(signal.reason)
    return notRun('the caller cancelled before it started')
  }
  const done = start().catch((error: unknown): ServeResult => {
    // No program could be started, for example while the agent shuts down.
    ready.reject(error)
    return notRun(error instanceof Error ? error.message : String(error))
  })
  return { ready: ready.promise, done }
}
