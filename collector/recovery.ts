import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/logging.ts'
import type { Health } from './health/health.ts'
import type { Store } from './store/store.ts'
import type { Observer } from './telemetry/observe/observer.ts'

/** Number of newest runs that the metrics show again after a restart. */
const RESTORED_RUNS = 20
/** Larger runs are not restored, because they would delay the start by seconds. */
const RESTORED_PAIRS = 10_000

/**
 * After a restart: marks unfinished runs as interrupted, and shows the newest ended runs in the metrics again.
 * @returns whether any unfinished run had exclusive use of interfaces
 */
export const recover = (
  store: Store,
  observer: Observer,
  health: Pick<Health, 'observeRun'>,
  { clock, logger }: { clock: Clock; logger: Logger },
): boolean => {
  const interrupted = store.interruptUnfinished('the collector was restarted during the run', clock.now())
  for (const run of interrupted) {
    logger.warn({ run: run.id }, 'run was interrupted; what was acknowledged is kept')
  }
  const { runs } = store.listRuns({ size: RESTORED_RUNS, token: '' })
  for (const run of runs.reverse()) {
    if (run.plan.pairCount > RESTORED_PAIRS) continue
    const results = store.allResults(run.id)
    observer.restoreRun(run, results)
    health.observeRun(run, results)
  }
  return interrupted.some(({ spec }) => spec.test.kind === 'iperf')
}
