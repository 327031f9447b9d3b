/** A watch of unlimited length over calls with a deadline. */

import type { Clock } from '../../lib/clock.ts'
import { ClientError, Status } from '../../lib/errors.ts'

/** Every call has a deadline. A stream is opened again after one day. */
const DEADLINE_MS = 86_400_000

/**
 * Yields what the stream yields until the server ends it. Opens the stream again when its deadline has passed. A
 * deadline error in the first half of that time is a failure of the call and is thrown.
 * @throws every other error of the call
 */
export async function* reconnectingWatch<T>(
  clock: Pick<Clock, 'monotonicSeconds'>,
  signal: AbortSignal,
  open: (call: { signal: AbortSignal; deadline: number }) => AsyncIterable<T>,
): AsyncGenerator<T> {
  for (;;) {
    const openedSeconds = clock.monotonicSeconds()
    try {
      yield* open({ signal, deadline: DEADLINE_MS })
      return
    } catch (error) {
      const isOld = clock.monotonicSeconds() - openedSeconds > DEADLINE_MS / 2000
      if (!isOld || !(error instanceof ClientError) || error.code !== Status.DEADLINE_EXCEEDED) throw error
    }
  }
}
