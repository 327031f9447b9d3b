import type { Clock } from '../../lib/clock.ts'

/**
 * A caller that breaks a stream off ends its words first, in a frame of its own; on a busy host the break comes a good
 * while after it. A caller that has finished waits for 2 s until it is told so.
 */
const LAST_WORD_SECONDS = 0.5
/** After the wait, what this process was too busy to hear meanwhile is heard before anything is decided. */
const TURNS = 3

/**
 * To be called when a caller's words have ended: resolves when it has finished and waits.
 * @throws the signal's reason when it has gone
 */
export const waitForBreak = async (
  clock: Pick<Clock, 'sleep' | 'yield'>,
  signal: AbortSignal,
): Promise<void> => {
  await clock.sleep(LAST_WORD_SECONDS, signal)
  for (let turn = 0; turn < TURNS; turn++) await clock.yield()
  signal.throwIfAborted()
}
