/** Verdicts about interfaces whose agents report the cause, and what local evidence adds to other verdicts. */

import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { isFailed } from '../dispatch/outcomes.ts'
import type { EndpointPair, PairResult } from '../dispatch/pair-result.ts'
import { interfaceKey } from '../inventory/keys.ts'
import { concerns, keysOf, type LocalEvidence, type LocalProblem } from './local-evidence.ts'
import { createVerdict, MAX_LISTED_PAIRS, type Verdict } from './verdict.ts'

/** The agent reports the cause, and the pairs fail as that cause predicts. */
const LOCAL_CONFIDENCE = 0.99

/** A cause explains failed pairs when at least this ratio of an interface's pairs fail in one direction. */
const MIN_FAILED_RATIO = 0.5

/** More evidence of one kind than this is counted in its note, and not listed. */
const MAX_NAMED = 3

/** Local evidence that explains why pairs fail. A low link speed makes pairs slow; the diagnosis finds those. */
const CUTS_OFF: readonly LocalProblem[] = [
  'down',
  'duplicate_address',
  'outside_network',
  'prefix_length',
  'shared_network',
  'mtu',
]

export type LocalFindings = {
  readonly verdicts: readonly Verdict[]
  /** The pairs that support the verdicts. */
  readonly pairs: readonly EndpointPair[]
  /** The results that are evidence about other causes. */
  readonly rest: readonly PairResult[]
}

/** Whether a result is missing in a way that a problem of an interface can cause. */
const isMissing = (result: PairResult, problem: LocalProblem): boolean => {
  if (result.programFault) return false
  if (isFailed(result)) return true
  if (result.outcome === Outcome.OUTCOME_INVALID) return problem === 'duplicate_address'
  // An agent refuses an address outside its networks after the pair was tried.
  return result.outcome === Outcome.OUTCOME_NOT_RUN && result.attemptCount > 0
}

const isAbout = (evidence: LocalEvidence, { source, destination }: EndpointPair): boolean =>
  concerns(evidence, source) || concerns(evidence, destination)

/** Returns the failed pairs that the evidence explains; none when most pairs of its interfaces are good. */
const explainedBy = (
  evidence: LocalEvidence,
  own: readonly PairResult[],
  packetBytes: number,
): PairResult[] => {
  const { problem, maxBytes = Infinity } = evidence
  if (!CUTS_OFF.includes(problem) || (problem === 'mtu' && packetBytes <= maxBytes)) return []
  const ends = ['source', 'destination'] as const
  const isCutOff = evidence.interfaces.some((name) =>
    ends.some((end) => {
      const pairs = own.filter(
        (result) => result[end].node === evidence.node && result[end].interface === name,
      )
      const missing = pairs.filter((result) => isMissing(result, problem)).length
      return missing > 0 && missing >= MIN_FAILED_RATIO * pairs.length
    }),
  )
  return isCutOff ? own.filter((result) => isMissing(result, problem)) : []
}

const toVerdict = (
  evidence: LocalEvidence,
  own: readonly PairResult[],
  missing: readonly PairResult[],
): Verdict => {
  const { node, interfaces, text } = evidence
  const affected = interfaces.filter((name) =>
    missing.some(({ source, destination }) =>
      [source, destination].some((end) => end.node === node && end.interface === name),
    ),
  )
  const fail = missing.length === 1 ? 'pair fails' : 'pairs fail'
  return createVerdict({
    kind: affected.length === 1 ? 'interface' : 'node',
    node,
    interface: affected.length === 1 ? affected[0]! : '',
    confidence: LOCAL_CONFIDENCE,
    message: `${text}. ${missing.length} of its ${own.length} ${fail}.`,
    pairsFor: missing.slice(0, MAX_LISTED_PAIRS).map(({ source, destination }) => ({ source, destination })),
    pairCount: missing.length,
  })
}

/**
 * Explains failed pairs by what agents report about their own interfaces, the most serious problem first.
 * @param packetBytes the size of the largest IP packets that the test sends; a different MTU explains nothing below it
 */
export const explainLocally = (
  results: readonly PairResult[],
  evidence: readonly LocalEvidence[],
  packetBytes: number,
): LocalFindings => {
  if (evidence.length === 0) return { verdicts: [], pairs: [], rest: results }
  const byInterface = new Map<string, PairResult[]>()
  const wanted = new Set(evidence.flatMap(keysOf))
  for (const result of results) {
    for (const key of [interfaceKey(result.source), interfaceKey(result.destination)]) {
      if (!wanted.has(key)) continue
      const known = byInterface.get(key)
      if (known) known.push(result)
      else byInterface.set(key, [result])
    }
  }
  const verdicts: Verdict[] = []
  const explained = new Set<PairResult>()
  const accused = new Set<string>()
  for (const each of evidence) {
    const keys = keysOf(each)
    if (keys.some((key) => accused.has(key))) continue
    const own = [...new Set(keys.flatMap((key) => byInterface.get(key) ?? []))].filter((result) =>
      isAbout(each, result),
    )
    const missing = explainedBy(each, own, packetBytes)
    // A pair between two such interfaces supports both verdicts.
    if (missing.length === 0) continue
    for (const result of missing) explained.add(result)
    for (const key of keys) accused.add(key)
    verdicts.push(toVerdict(each, own, missing))
  }
  return {
    verdicts,
    pairs: [...explained],
    rest: explained.size === 0 ? results : results.filter((result) => !explained.has(result)),
  }
}

const isNamedBy = (evidence: LocalEvidence, { kind, node, peer, interface: name }: Verdict): boolean => {
  if (kind !== 'node' && kind !== 'interface' && kind !== 'link') return false
  const nodes = kind === 'link' ? [node, peer] : [node]
  return nodes.some((each) => concerns(evidence, { node: each, interface: name }))
}

/** Adds to each verdict what the agents report about the interfaces that it names. */
export const withLocalEvidence = (
  verdicts: readonly Verdict[],
  evidence: readonly LocalEvidence[],
): Verdict[] =>
  verdicts.map((verdict) => {
    const texts = evidence
      .filter((each) => isNamedBy(each, verdict) && !verdict.message.includes(each.text))
      .map(({ text }) => text)
    if (texts.length === 0) return verdict
    return { ...verdict, message: `${verdict.message} The agent reports: ${texts.join('; ')}.` }
  })

/** Returns the local evidence that no verdict states, one sentence each; one sentence for many of a kind. */
export const localNotes = (verdicts: readonly Verdict[], evidence: readonly LocalEvidence[]): string[] => {
  const rest = evidence.filter(({ text }) => !verdicts.some(({ message }) => message.includes(text)))
  return [...Map.groupBy(rest, ({ problem }) => problem).values()].flatMap((all) => {
    const named = all.slice(0, MAX_NAMED).map(({ text }) => `${text}.`)
    if (all.length <= MAX_NAMED) return named
    return [`${named.join(' ')} The same kind of problem is reported ${all.length - MAX_NAMED} more times.`]
  })
}
