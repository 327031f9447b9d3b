import type { MeshEvent } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Clock } from '../../../lib/clock.ts'
import type { Logger } from '../../../lib/logging.ts'
import type { Store } from '../../store/store.ts'
import type { StoreInfo, WindowParcel } from '../../store/windows.ts'
import type { Metrics } from '../catalogue/metrics.ts'

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
  const put = timed('put_windows', (parcel: WindowParcel, events: readonly MeshEvent[]) => parcel.put(events))
  const parcelOf = (parcel: WindowParcel): WindowParcel => ({
    ...parcel,
    put: (events) => {
      put(parcel, events)
      metrics.storeWindows.add({}, parcel.count())
    },
  })
  return {
    ...store,
    maintain: counted('maintain', store.maintain),
    createRun: timed('create_run', store.createRun),
    updateRun: timed('update_run', store.updateRun),
    putResults: timed('put_results', store.putResults),
    putChecks: timed('put_checks', store.putChecks),
    parcel: () => parcelOf(store.parcel()),
    putWindows: (windows, events) => {
      const parcel = parcelOf(store.parcel())
      parcel.add(windows)
      parcel.put(events)
    },
    keepPaths: timed('keep_paths', store.keepPaths),
    putCoverage: timed('put_coverage', store.putCoverage),
    putDocuments: timed('put_documents', store.putDocuments),
    deleteDocument: timed('delete_document', store.deleteDocument),
    interruptUnfinished: timed('interrupt_unfinished', store.interruptUnfinished),
  }
}

/** Counts damaged rows; the first is logged, and the others have most likely the same cause. */
export const watchDamage = ({ metrics, logger }: { metrics: Metrics; logger: Pick<Logger, 'error'> }) => {
  let isLogged = false
  return (level: string, timeMs: number): void => {
    metrics.storeErrors.add({ operation: 'damaged_row' })
    if (isLogged) return
    isLogged = true
    const row = { level, time: new Date(timeMs).toISOString() }
    logger.error(
      row,
      'a row of the store is damaged: it is made anew where what it was made of is still there; check the disk. Others are only counted',
    )
  }
}

/** Shows how the store is. */
export const observeStoreInfo = (metrics: Metrics, info: StoreInfo): void => {
  metrics.storeSize.set({}, info.sizeBytes)
  metrics.storeFree.set({}, info.freeBytes)
  metrics.storeMaxSize.set({}, info.maxBytes)
  metrics.storeWaiting.set({}, info.waitingWindows)
  if (info.lastExpireMs !== undefined) metrics.storeExpire.set({}, info.lastExpireMs / 1000)
  for (const { name: level, rows, oldestMs } of info.levels) {
    metrics.storeRows.set({ level }, rows)
    if (oldestMs === undefined) metrics.storeOldest.remove({ level })
    else metrics.storeOldest.set({ level }, oldestMs / 1000)
  }
}
