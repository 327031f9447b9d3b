/** Reads the output of a program at intervals instead of at each write. */

import { getDefaultHighWaterMark, type Readable, setDefaultHighWaterMark } from 'node:stream'
import type { Clock } from '../lib/clock.ts'

export type StdoutReader = {
  /** Called with what was written since the last call; must not throw. */
  take: (chunk: Buffer) => void
  /**
   * Time between two reads, for a program that writes many short lines: each would wake the agent otherwise. The kernel
   * buffers about 250 lines before the program has to wait. 0 reads immediately.
   */
  everySeconds: number
  /** Called after each read. */
  afterwards?: () => void
}

/**
 * Calls `make`, which starts a child, with a small high-water mark. A paused stream continues to read until it holds
 * its high-water mark, and Node sets that of a child's stdout only through the default of all new streams.
 */
export const withoutReadAhead = <T>(make: () => T): T => {
  const usual = getDefaultHighWaterMark(false)
  setDefaultHighWaterMark(false, 1)
  try {
    return make()
  } finally {
    setDefaultHighWaterMark(false, usual)
  }
}

/** Reads stdout at intervals until the program has ended, then the rest. */
export const readAtIntervals = async (
  stdout: Readable,
  { everySeconds, afterwards }: StdoutReader,
  clock: Clock,
  ended: AbortSignal,
): Promise<void> => {
  const pause = () =>
    clock.sleep(everySeconds, ended).then(
      () => true,
      () => false,
    )
  stdout.pause()
  while (await pause()) {
    stdout.resume()
    // One turn of the event loop reads what is there.
    await clock.yield()
    stdout.pause()
    afterwards?.()
  }
  stdout.resume()
}
