import type { Clock } from '../../lib/clock.ts'
import { OperatingError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logging.ts'
import type { PairResult } from '../dispatch/pair-result.ts'
import type { Run } from '../store/run.ts'
import type { Store } from '../store/store.ts'
import type { createResultLog } from './result-log.ts'

/** Pause between two attempts to store the end of a run. */
const RETRY_SECONDS = 1

type Deps = { clock: Clock; logger: Logger; store: Pick<Store, 'updateRun'> }

/** Stores the state of one run. While the store fails, the run continues, and its end waits until the store works again. */
export const createRunRecord = (deps: Deps, log: Pick<ReturnType<typeof createResultLog>, 'flush'>) => {
  let failure: OperatingError | undefined

  /** Stores the run and the results that wait. Returns whether everything is stored. */
  const store = (run: Run, markedResults: readonly PairResult[] = []): boolean => {
    try {
      if (!log.flush()) return false
      deps.store.updateRun(run, markedResults)
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error
      if (!failure)
        deps.logger.error({ run: run.id, reason: error.message }, 'the state of a run waits for the store')
      failure = error
      return false
    }
    failure = undefined
    return true
  }

  return {
    store,
    /** Stores the run as soon as the store works. Returns false when the signal aborted first. */
    async storeWhenPossible(
      run: Run,
      markedResults: readonly PairResult[],
      signal: AbortSignal,
    ): Promise<boolean> {
      while (!store(run, markedResults)) {
        if (signal.aborted) return false
        await deps.clock.sleep(RETRY_SECONDS, signal).catch(() => undefined)
      }
      return true
    },
    /** Why the store refused the last state; undefined when it accepted it. */
    failure: () => failure,
  }
}
