import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/logging.ts'
import type { StoreInfo, StoreUpkeep } from './windows.ts'

/** A piece of upkeep ends after this: what waits for the event loop waits no longer for it. */
const PIECE_SECONDS = 0.004
/** Between two pieces everyone else has a turn, and most of the time. */
const PAUSE_SECONDS = 0.01
/** When nothing is due. */
const IDLE_SECONDS = 1
/** When the medium fails: a full disk is not filled up less by asking it more often. */
const FAILED_SECONDS = 5
const INFO_SECONDS = 5

export type UpkeepObserver = {
  observeMaintain(seconds: number): void
  observeInfo(info: StoreInfo): void
}

type Deps = {
  clock: Clock
  logger: Logger
  store: Pick<StoreUpkeep, 'maintain' | 'info'>
  observer: UpkeepObserver
}

/** Keeps the store in order, piece by piece, until it is closed. */
export const startUpkeep = ({ clock, logger, store, observer }: Deps): { close(): Promise<void> } => {
  const closing = new AbortController()
  let hasFailed = false
  let nextInfo = Number.NEGATIVE_INFINITY

  const piece = (): boolean => {
    // First, so that a store whose upkeep fails is still seen.
    if (clock.monotonicSeconds() >= nextInfo) {
      nextInfo = clock.monotonicSeconds() + INFO_SECONDS
      observer.observeInfo(store.info())
    }
    const start = clock.monotonicSeconds()
    const isOverdue = () => clock.monotonicSeconds() - start > PIECE_SECONDS
    const isMoreDue = store.maintain(clock.now(), isOverdue)
    observer.observeMaintain(clock.monotonicSeconds() - start)
    return isMoreDue
  }

  /** One piece, and how long to wait for the next. */
  const step = (): number => {
    try {
      const isMoreDue = piece()
      if (hasFailed) logger.info('the upkeep of the store goes on')
      hasFailed = false
      return isMoreDue ? PAUSE_SECONDS : IDLE_SECONDS
    } catch (error) {
      if (!hasFailed) logger.error({ err: error }, 'the upkeep of the store failed; it is tried again')
      hasFailed = true
      return FAILED_SECONDS
    }
  }

  const run = async () => {
    while (!closing.signal.aborted) {
      const seconds = step()
      await clock.sleep(seconds, closing.signal).catch((error: unknown) => {
        if (!closing.signal.aborted) throw error
      })
    }
  }
  const running = run()
  return {
    close: async () => {
      closing.abort()
      await running
    },
  }
}
