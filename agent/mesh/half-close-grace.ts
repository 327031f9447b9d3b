import type { Clock } from '../../lib/clock.ts'

/**
 * A caller that cancels a stream also ends its requests, in a separate frame that arrives first; on a busy host the
 * cancellation arrives later. A caller that has finished waits 2 s for the summary, which is longer.
 */
const HALF_CLOSE_GRACE_SECONDS = 0.5
/** Turns of the event loop after the wait, so that events which this process was too busy to read are read. */
const EVENT_LOOP_TURNS = 3

/**
 * Call this when the requests of a stream have ended. Resolves when the caller has finished and waits for the rest.
 * @throws the signal's reason when the caller has cancelled or is disconnected
 */
export const waitForCancellation = async (
  clock: Pick<Clock, 'sleep' | 'yield'>,
  signal: AbortSignal,
): Promise<void> => {
  await clock.sleep(HALF_CLOSE_GRACE_SECONDS, signal)
  for (let turn = 0; turn < EVENT_LOOP_TURNS; turn++) await clock.yield()
  signal.throwIfAborted()
}
