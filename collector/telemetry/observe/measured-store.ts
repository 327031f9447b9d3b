import type { MeshEvent } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Clock } from '../../../lib/clock.ts'
import type { Logger } from '../../../lib/logging.ts'
import type { StoreInfo } from '../../store/maintenance.ts'
import type { Store } from '../../store/store.ts'
import type { WindowBatch } from '../../store/windows.ts'
import type { Metrics } from '../catalogue/metrics.ts'

/** Wraps a store: measures the time of its writes and counts its failures. */
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
  const put = timed('put_windows', (batch: WindowBatch, events: readonly MeshEvent[]) => batch.put(events))
  const measuredBatch = (batch: WindowBatch): WindowBatch => ({
    ...batch,
    put: (events) => {
      put(batch, events)
      metrics.storeWindows.add({}, batch.count())
    },
  })
  return {
    ...store,
    maintain: counted('maintain', store.maintain),
    createRun: timed('create_run', store.createRun),
    updateRun: timed('update_run', store.updateRun),
    putResults: timed('put_results', store.putResults),
    putChecks: timed('put_checks', store.putChecks),
    windowBatch: () => measuredBatch(store.windowBatch()),
    putWindows: (windows, events) => {
      const batch = measuredBatch(store.windowBatch())
      batch.add(windows)
      batch.put(events)
    },
    keepPaths: timed('keep_paths', store.keepPaths),
    putCoverage: timed('put_coverage', store.putCoverage),
    putDocuments: timed('put_documents', store.putDocuments),
    deleteDocument: timed('delete_document', store.deleteDocument),
    interruptUnfinished: timed('interrupt_unfinished', store.interruptUnfinished),
  }
}

/** Counts damaged rows. Only the first is logged, because the others usually have the same cause. */
export const watchDamage = ({ metrics, logger }: { metrics: Metrics; logger: Pick<Logger, 'error'> }) => {
  let isLogged = false
  return (level: string, timeMs: number): void => {
    metrics.storeErrors.add({ operation: 'damaged_row' })
    if (isLogged) return
    isLogged = true
    const row = { level, time: new Date(timeMs).toISOString() }
    logger.error(
      row,
      'a row of the store is damaged; it is computed again if the windows it was made of are still stored. Check the disk. Further damaged rows are only counted, in meshgauge_store_errors_total',
    )
  }
}

/** Damaged records of a table that are logged; further ones are only counted. */
const MAX_LOGGED = 10

/** Returns what counts and logs records that cannot be decoded. */
export const watchDamagedRecords = ({
  metrics,
  logger,
}: {
  metrics: Metrics
  logger: Pick<Logger, 'error'>
}) => {
  const counts = new Map<string, number>()
  return (table: string, name: string, cause: string): void => {
    metrics.storeErrors.add({ operation: 'damaged_row' })
    const count = (counts.get(table) ?? 0) + 1
    counts.set(table, count)
    if (count > MAX_LOGGED) return
    logger.error(
      { table, name, cause },
      'a record of the store cannot be read; it stays there and is left out',
    )
  }
}

/** Sets the gauges of the store's size and content. */
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
