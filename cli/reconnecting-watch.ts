/** Watching what has no end of its own. */

import { ClientError, Status } from 'nice-grpc'
import type { Clock } from '../lib/clock.ts'

/** Every call has a deadline; a stream that is a day old is opened anew. */
const DEADLINE_MS = 86_400_000

/**
 * What a stream gives, for as long as there is anything: one that has reached its deadline is opened again. Whoever is
 * told of a deadline before it can have come is told of something else.
 * @throws what the call throws, else
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
