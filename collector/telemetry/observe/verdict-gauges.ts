import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { createClearedVerdicts } from '../../diagnosis/cleared-verdicts.ts'
import type { Verdict } from '../../diagnosis/verdict.ts'
import type { PairResult } from '../../dispatch/pair-result.ts'
import type { Run } from '../../store/run.ts'
import type { Metrics } from '../catalogue/metrics.ts'
import { runLabels } from './label-values.ts'

const verdictLabels = (test: string, verdict: Verdict) => ({
  test,
  kind: verdict.kind,
  node: verdict.node,
  interface: verdict.interface,
  direction: verdict.direction,
  peer: verdict.peer,
  rack: verdict.rack,
})

/** Sets the verdicts of a run, and removes earlier ones that its results cleared. */
export const showVerdicts = (metrics: Metrics, run: Run, results: readonly PairResult[]): void => {
  if (run.state !== RunState.RUN_STATE_COMPLETED) return
  const { test } = runLabels(run)
  const isCleared = createClearedVerdicts(results)
  metrics.verdicts.removeWhere((labels) => labels.test === test && isCleared(labels))
  for (const verdict of run.verdicts) metrics.verdicts.set(verdictLabels(test, verdict), verdict.confidence)
}

/** Replaces all verdicts of the ping mesh: each judgement covers all of its paths. */
export const showMeshVerdicts = (metrics: Metrics, verdicts: readonly Verdict[]): void => {
  metrics.verdicts.removeWhere(({ test }) => test === 'mesh')
  for (const verdict of verdicts) metrics.verdicts.set(verdictLabels('mesh', verdict), verdict.confidence)
}
