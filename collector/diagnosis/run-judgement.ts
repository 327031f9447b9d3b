import { counted } from '../../lib/units.ts'
import type { EndpointPair, PairResult } from '../dispatch/pair-result.ts'
import { interfaceKey, pairKey } from '../inventory/keys.ts'
import { coverageOf } from './coverage.ts'
import { type DiagnosisInput, diagnose } from './diagnosis.ts'
import type { ExpectationResult } from './expectations.ts'
import { type Judgement, judge } from './judgement.ts'
import { findPrograms } from './programs.ts'
import { defaultHeuristics } from './thresholds.ts'
import { unattributedVerdicts } from './unattributed.ts'
import type { Verdict } from './verdict.ts'
import { toPair } from './verdicts.ts'

export type RunEvidence = DiagnosisInput & {
  /** The number of pairs of the plan. */
  readonly requestedCount: number
  readonly expectations?: readonly ExpectationResult[]
  /** Why the run ended early, as a sentence. Empty when it is complete. */
  readonly incomplete?: string
}

/** Everything that is decided about the results of a run. */
export type RunJudgement = {
  readonly judgement: Judgement
  /** What is wrong, the most confident first. */
  readonly verdicts: readonly Verdict[]
  /** Whether a pair is marked as bad: it supports a verdict. */
  isMarked(pair: EndpointPair): boolean
}

/** The nodes and interfaces that take part, and whether one has enough peers to be named as a culprit. */
const extentOf = (results: readonly PairResult[]) => {
  const nodes = new Set<string>()
  const peers = new Map<string, Set<string>>()
  for (const { source, destination } of results) {
    for (const [end, peer] of [
      [source, destination],
      [destination, source],
    ] as const) {
      nodes.add(end.node)
      const key = interfaceKey(end)
      const known = peers.get(key)
      if (known) known.add(peer.node)
      else peers.set(key, new Set([peer.node]))
    }
  }
  return {
    nodes: nodes.size,
    interfaces: peers.size,
    canNameCulprit: [...peers.values()].some(({ size }) => size >= defaultHeuristics.minGoodPeers),
  }
}

/**
 * Judges the results of a run: verdicts, marks, coverage and the answer. Marks are exactly the pairs that support a
 * verdict, so a marked pair is never healthy.
 */
export const judgeRun = (evidence: RunEvidence): RunJudgement => {
  const { results, racks = new Map(), requestedCount, expectations = [], incomplete = '' } = evidence
  const found = diagnose(evidence)
  const { nodes, interfaces, canNameCulprit } = extentOf(results)
  const extent = `${counted(nodes, 'node')} and ${counted(interfaces, 'interface')}`
  const advice = canNameCulprit ? '' : ' These pairs have too few peers to name a culprit; run a mesh.'
  const unattributed = unattributedVerdicts(found, racks, advice)
  const verdicts = [...found.verdicts, ...unattributed, ...findPrograms(results)].sort(
    (one, other) => other.confidence - one.confidence,
  )
  const pairs = [...found.evidence, ...found.unexplained.flatMap(({ pairs }) => pairs.map(toPair))]
  const marks = new Set(pairs.map(({ source, destination }) => pairKey(source, destination)))
  const judgement = judge({
    verdicts,
    notes: found.notes,
    coverage: coverageOf(results, requestedCount),
    markedCount: marks.size,
    missedExpectationCount: expectations.filter(({ passed }) => !passed).length,
    incomplete,
    subject: 'pair',
    healthy: canNameCulprit
      ? `Healthy. No culprit among ${extent}.`
      : `No pair stands out among ${extent}. Only a mesh of 4 or more nodes can name a culprit.`,
  })
  return {
    judgement,
    verdicts,
    isMarked: ({ source, destination }) => marks.has(pairKey(source, destination)),
  }
}
