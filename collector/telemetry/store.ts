import type { Clock } from '../../lib/clock.ts'
import type { Store } from '../store/store.ts'
import type { Metrics } from './metrics.ts'

/** The same store, with its writes timed and its failures counted. */
export const measuredStore = (
  store: Store,
  { metrics, clock }: { metrics: Metrics; clock: Clock },
): Store => {
  const counted = <A extends unknown[], R>(operation: string, call: (...args: A) => R) => {
    return (...args: A): R => {
      try {
        return call(...args)
      } catch (error) {
        metrics.storeErrors.add({ operation })
        throw error
      }
    }
  }
  const timed = <A extends unknown[], R>(operation: string, call: (...args: A) => R) =>
    counted(operation, (...args: A): R => {
      const start = clock.monotonicSeconds()
      const result = call(...args)
      metrics.storeWrite.observe({ operation }, clock.monotonicSeconds() - start)
      return result
    })
  return {
    ...store,
    createRun: timed('create_run', store.createRun),
    updateRun: timed('update_run', store.updateRun),
    putResults: timed('put_results', store.putResults),
    putChecks: timed('put_checks', store.putChecks),
    putWindows: timed('put_windows', store.putWindows),
    putDocument: timed('put_document', store.putDocument),
    deleteDocument: timed('delete_document', store.deleteDocument),
    interruptUnfinished: timed('interrupt_unfinished', store.interruptUnfinished),
  }
}
