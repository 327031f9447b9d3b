import type { Logger } from '../lib/logging.ts'

/** Closes the parts of the collector in the reverse order of `add`. */
export type Shutdown = {
  add(close: () => unknown): void
  /** Closes every part once. A part that fails to close is logged, and the others are still closed. */
  close(): Promise<void>
}

/** A part that is left open would keep a port, the lock of the store, or the process. */
export const createShutdown = ({ logger }: { logger: Pick<Logger, 'error'> }): Shutdown => {
  const closers: (() => unknown)[] = []
  return {
    add: (close) => {
      closers.push(close)
    },
    close: async () => {
      for (let close = closers.pop(); close; close = closers.pop()) {
        try {
          await close()
        } catch (error) {
          logger.error({ err: error }, 'a part of the collector could not be closed')
        }
      }
    },
  }
}
