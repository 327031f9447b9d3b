import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/logging.ts'
import type { StoreInfo, StoreMaintenance } from './maintenance.ts'

/** Maximum time of one piece of maintenance. The event loop is blocked for this time. */
const PIECE_SECONDS = 0.004
/** Pause between two pieces, so that other work gets most of the time. */
const PAUSE_SECONDS = 0.01
/** Pause when nothing is due. */
const IDLE_SECONDS = 1
/** Pause after a failure: more frequent attempts do not help a full disk. */
const FAILED_SECONDS = 5
const INFO_SECONDS = 5

export type MaintenanceObserver = {
  observeMaintain(seconds: number): void
  observeInfo(info: StoreInfo): void
}

type Deps = {
  clock: Clock
  logger: Logger
  store: Pick<StoreMaintenance, 'maintain' | 'info'>
  observer: MaintenanceObserver
}

/** Runs the maintenance of the store, piece by piece, until it is closed. */
export const startMaintenance = ({ clock, logger, store, observer }: Deps): { close(): Promise<void> } => {
  const closing = new AbortController()
  let hasFailed = false
  let nextInfo = Number.NEGATIVE_INFINITY

  const runPiece = (): boolean => {
    // Before the maintenance, so that the metrics stay current while it fails.
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

  /** Runs one piece and returns the pause before the next one, in seconds. */
  const step = (): number => {
    try {
      const isMoreDue = runPiece()
      if (hasFailed) logger.info('the maintenance of the store works again')
      hasFailed = false
      return isMoreDue ? PAUSE_SECONDS : IDLE_SECONDS
    } catch (error) {
      if (!hasFailed) logger.error({ err: error }, 'the maintenance of the store failed; retrying every 5 s')
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
