import type { Clock } from '../../lib/clock.ts'

/**
 * Follows some work for a stream that reports of it again and again. The work is listened to once: each `then` on a promise
 * that goes on for weeks would stay with it as long.
 * @returns waits for the end of the work or for the time to report, whichever comes first, and says whether the work goes
 * on; throws what the work throws, and once the signal aborts waits for the work to end
 */
export const follow = (
  work: Promise<unknown>,
  clock: Clock,
  signal: AbortSignal,
): ((seconds: number) => Promise<boolean>) => {
  const ended = new AbortController()
  const onEnd = () => ended.abort()
  void work.then(onEnd, onEnd)
  const waiting = AbortSignal.any([signal, ended.signal])
  return async (seconds) => {
    const isTime = await clock.sleep(seconds, waiting).then(
      () => true,
      () => false,
    )
    if (isTime && !ended.signal.aborted) return true
    await work
    return false
  }
}
