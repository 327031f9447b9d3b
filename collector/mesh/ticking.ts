import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/logging.ts'

const TICK_SECONDS = 1

/** Does the work each second, one after the other, until it is closed. */
export const keepTicking = (
  { clock, logger }: { clock: Clock; logger: Logger },
  tick: (signal: AbortSignal) => Promise<void>,
): { close(): Promise<void> } => {
  const stop = new AbortController()
  const run = async () => {
    while (!stop.signal.aborted) {
      await tick(stop.signal).catch((error: unknown) => {
        // A bug in one look must not end the meshes; it would come again each second, and be seen.
        logger.error({ err: error }, 'the meshes failed because of a bug')
      })
      await clock.sleep(TICK_SECONDS, stop.signal).catch(() => undefined)
    }
  }
  const running = run()
  return {
    close: async () => {
      stop.abort()
      await running
    },
  }
}
