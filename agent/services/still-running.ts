import type { Clock } from '../../lib/clock.ts'

/**
 * Waits for the end of some work or for the time to report, whichever comes first, and says whether the work goes on.
 * Throws what the work throws.
 */
export const stillRunning = async (
  work: Promise<unknown>,
  seconds: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<boolean> => {
  const timer = new AbortController()
  const pause = clock.sleep(seconds, AbortSignal.any([signal, timer.signal])).then(
    () => true,
    // Aborted: either the work has ended, or the stream has, and then the work throws.
    () => work.then(() => false),
  )
  return Promise.race([work.then(() => false), pause]).finally(() => timer.abort())
}
