import type { PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import type { Clock } from '../../lib/clock.ts'
import { OperatingError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logging.ts'
import type { Store } from '../store/store.ts'

/** One transaction for all results of so long, or of so many. */
const FLUSH_SECONDS = 0.5
const FLUSH_COUNT = 100

/**
 * Takes the results of one run to the store in batches. Nobody is told of a result before it is durable. When the
 * store cannot take them, they are kept here (a run has a fixed number of pairs, so that is bounded) and tried again.
 */
export const createResultLog = (
  deps: { clock: Clock; logger: Logger; store: Pick<Store, 'putResults'> },
  runId: string,
  onStored: (results: PairResult[]) => void,
) => {
  let waiting: PairResult[] = []
  let failure: OperatingError | undefined
  const stop = new AbortController()

  const flush = () => {
    if (waiting.length === 0) return
    try {
      deps.store.putResults(runId, waiting)
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error
      if (!failure) deps.logger.error({ run: runId, reason: error.message }, 'results wait for the store')
      failure = error
      return
    }
    failure = undefined
    const stored = waiting
    waiting = []
    onStored(stored)
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
    /** Results that are not stored yet. */
    waitingCount: () => waiting.length,
    failure: () => failure,
    /**
     * Stores what is left.
     * @returns what could not be stored and why, or undefined when all is stored
     */
    async close(): Promise<{ results: PairResult[]; failure: OperatingError } | undefined> {
      stop.abort()
      await ticking
      return failure && { results: waiting, failure }
    },
  }
}
