import type { Logger } from '../lib/logging.ts'

/** What was begun and is to be closed, the last first. */
export type Closing = {
  add(close: () => unknown): void
  /** Closes everything once: what cannot be closed is logged, and does not keep the others open. */
  close(): Promise<void>
}

/** Else what fails while it closes leaves ports, the lock of the store and a process that never ends behind. */
export const createClosing = ({ logger }: { logger: Pick<Logger, 'error'> }): Closing => {
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
