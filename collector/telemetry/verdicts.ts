import type { PairResult, Verdict } from '#proto/meshgauge/collector/v1/result.ts'
import { type Run, RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { type End, isMeasured } from './ends.ts'
import type { Metrics } from './metrics.ts'
import { culpritWord, faultWord, runWords } from './words.ts'

/** Fewer measured peers cannot accuse a node, so they cannot acquit it either: a ring leaves a mesh's verdict. */
const PEERS_TO_ACQUIT = 3

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
export const showVerdicts = (
  metrics: Metrics,
  run: Run,
  results: readonly PairResult[],
  ends: readonly End[],
): void => {
  if (run.state !== RunState.RUN_STATE_COMPLETED) return
  const { test } = runWords(run)
  const judged = ends.filter(({ measuredPeers }) => measuredPeers.size >= PEERS_TO_ACQUIT)
  const nodes = new Set(judged.map(({ node }) => node))
  const interfaces = new Set(judged.map((end) => `${end.node} ${end.interface}`))
  const linkMeasured = ({ node, interface: name, peer }: { node: string; interface: string; peer: string }) =>
    results.some(
      (result) =>
        isMeasured(result) &&
        result.source?.node === node &&
        result.source.interface === name &&
        result.destination?.node === peer,
    )
  metrics.verdicts.removeWhere((labels) => {
    if (labels.test !== test) return false
    if (labels.rack !== '') return nodes.size > 0
    const judgedNode =
      labels.interface === '' ? nodes.has(labels.node) : interfaces.has(`${labels.node} ${labels.interface}`)
    return judgedNode && (labels.peer === '' || linkMeasured(labels))
  })
  for (const verdict of run.verdicts) metrics.verdicts.set(verdictLabels(test, verdict), verdict.confidence)
}
