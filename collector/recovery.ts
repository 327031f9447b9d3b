import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/logging.ts'
import type { Health } from './health/health.ts'
import type { Store } from './store/store.ts'
import type { Observer } from './telemetry/observe/observe.ts'

/** After a restart the metrics show the newest runs of each kind again; older ones are in the store. */
const RESTORED_RUNS = 20
/** A larger run would hold up the start for seconds. */
const RESTORED_PAIRS = 10_000

/** Runs that lost their collector are marked, and the newest ended ones are shown in the metrics again. */
export const recover = (
  store: Store,
  observer: Observer,
  health: Pick<Health, 'observeRun'>,
  { clock, logger }: { clock: Clock; logger: Logger },
): void => {
  for (const run of store.interruptUnfinished('the collector was restarted in the middle', clock.now())) {
    logger.warn({ run: run.id }, 'run was interrupted; what was acknowledged is kept')
  }
  const { runs } = store.listRuns({ size: RESTORED_RUNS, token: '' })
  for (const run of runs.reverse()) {
    if ((run.plan?.pairCount ?? 0) > RESTORED_PAIRS) continue
    const results = store.allResults(run.id)
    observer.restoreRun(run, results)
    health.observeRun(run, results)
  }
}
