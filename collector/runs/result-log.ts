import type { Clock } from '../../lib/clock.ts'
import { OperatingError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logging.ts'
import type { PairResult } from '../dispatch/pair-result.ts'
import type { Store } from '../store/store.ts'

/** Results are stored in one transaction after this time, or when this many wait. */
const FLUSH_SECONDS = 0.5
const FLUSH_COUNT = 100

/**
 * Stores the results of one run in batches, and reports each batch only when it is durable. Results that the store
 * refuses stay here and are tried again. The number of pairs of the run bounds them.
 */
export const createResultLog = (
  deps: { clock: Clock; logger: Logger; store: Pick<Store, 'putResults'> },
  runId: string,
  onStored: (results: PairResult[]) => void,
) => {
  let waiting: PairResult[] = []
  let failure: OperatingError | undefined
  const stop = new AbortController()

  /** @returns whether all results are stored */
  const flush = (): boolean => {
    if (waiting.length === 0) return true
    try {
      deps.store.putResults(runId, waiting)
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error
      if (!failure) deps.logger.error({ run: runId, reason: error.message }, 'results wait for the store')
      failure = error
      return false
    }
    failure = undefined
    const stored = waiting
    waiting = []
    onStored(stored)
    return true
  }
  const ticking = (async () => {
    while (!stop.signal.aborted) {
      await deps.clock.sleep(FLUSH_SECONDS, stop.signal).catch(() => undefined)
      flush()
    }
  })()

  return {
    add(result: PairResult): void {
      waiting.push(result)
      if (waiting.length >= FLUSH_COUNT && !failure) flush()
    },
    flush,
    unstoredCount: () => waiting.length,
    /** Why the store refused the last batch; undefined when it accepted it. */
    failure: () => failure,
    /**
     * Stores the remaining results. Later attempts need `flush`.
     * @returns the results that the store refused
     */
    async close(): Promise<readonly PairResult[]> {
      stop.abort()
      await ticking
      return waiting
    },
  }
}
