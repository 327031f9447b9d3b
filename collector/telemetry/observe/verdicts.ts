import type { PairResult, Verdict } from '#proto/meshgauge/collector/v1/result.ts'
import { type Run, RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { createClearedVerdicts } from '../../diagnosis/cleared-verdicts.ts'
import type { Metrics } from '../catalogue/metrics.ts'
import { culpritWord, faultWord, runWords } from './label-values.ts'

const verdictLabels = (test: string, verdict: Verdict) => ({
  test,
  kind: culpritWord(verdict.kind),
  node: verdict.node,
  interface: verdict.interface,
  direction: faultWord(verdict.direction),
  peer: verdict.peer,
  rack: verdict.rack,
})

/** Makes the run's verdicts current, and drops earlier ones that this run was able to acquit. */
export const showVerdicts = (metrics: Metrics, run: Run, results: readonly PairResult[]): void => {
  if (run.state !== RunState.RUN_STATE_COMPLETED) return
  const { test } = runWords(run)
  const isAcquitted = createClearedVerdicts(results)
  metrics.verdicts.removeWhere((labels) => labels.test === test && isAcquitted(labels))
  for (const verdict of run.verdicts) metrics.verdicts.set(verdictLabels(test, verdict), verdict.confidence)
}

/** Makes the mesh's verdicts current, in place of all that it had before: it judges everything each time. */
export const showMeshVerdicts = (metrics: Metrics, verdicts: readonly Verdict[]): void => {
  metrics.verdicts.removeWhere(({ test }) => test === 'mesh')
  for (const verdict of verdicts) metrics.verdicts.set(verdictLabels('mesh', verdict), verdict.confidence)
}
