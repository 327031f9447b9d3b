import type { Clock } from '../../lib/clock.ts'

/**
 * Creates the timer of a stream that reports about some work at intervals. It subscribes to the work once: each `then`
 * on a promise stays in memory until the promise settles, which may take weeks.
 * @returns a function that waits for that many seconds or for the end of the work, and returns whether the work still
 * runs. It throws what the work throws. Once the signal aborts, it waits for the work to end
 */
export const createReportTimer = (
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
