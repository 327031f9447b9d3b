/** The headline of a run: the judgement of the collector with its verdicts, and the pairs without a value. */

import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import {
  type Judgement,
  JudgementState,
  type PairResult,
  type Verdict,
} from '#proto/meshgauge/collector/v1/result.ts'
import { type Run, RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { counted, formatCount } from '../../lib/units.ts'
import { type ExitCode, judgedExitCode } from '../exit-codes.ts'
import { outcomeWord, stateWord } from './enum-words.ts'
import { renderMisses } from './expectations-text.ts'
import { type Paint, sanitize } from './paint.ts'

/** Maximum number of failure groups to list; more are counted. */
const MAX_GROUPS = 5

export const runExitCode = ({ judgement }: Run): ExitCode => judgedExitCode(judgement)

/** Splits the collector's message: the first sentence is the answer, the rest is the evidence. */
const splitMessage = (message: string): { answer: string; evidence: string } => {
  const match = /^(.*?[.!])\s+(.+)$/.exec(message)
  return match ? { answer: match[1]!, evidence: match[2]! } : { answer: message, evidence: '' }
}

const countEvidence = ({ pairCount, pairsAgainst, retested }: Verdict): string => {
  const all = pairCount + pairsAgainst.length
  const agreement = all > 0 ? `${formatCount(pairCount)} of ${counted(all, 'pair')} agree.` : ''
  return `${agreement}${retested ? ' Retested on new ports: the same.' : ''}`.trim()
}

const renderVerdict = (verdict: Verdict, run: Run, paint: Paint): string[] => {
  const { answer, evidence } = splitMessage(sanitize(verdict.message))
  const trace = run.traceId ? ` Trace ${run.traceId.slice(0, 8)}…` : ''
  return [
    paint('red', `✘ ${answer}`),
    `  ${evidence || countEvidence(verdict)} Confidence ${verdict.confidence.toFixed(2)}.${trace}`,
  ]
}

type Group = { outcome: Outcome; reason: string; pairs: PairResult[] }

/** Groups failed pairs. Reasons that differ only in addresses and numbers are in one group. */
const groupFailures = (pairs: readonly PairResult[]): Group[] => {
  const groups = new Map<string, Group>()
  for (const pair of pairs) {
    if (pair.outcome === Outcome.OUTCOME_MEASURED) continue
    const key = `${pair.outcome} ${pair.reason.replace(/[\d.:]+/g, '#')}`
    const group = groups.get(key) ?? { outcome: pair.outcome, reason: pair.reason, pairs: [] }
    group.pairs.push(pair)
    groups.set(key, group)
  }
  return [...groups.values()].sort((a, b) => b.pairs.length - a.pairs.length)
}

/** The pairs of a group in a few words: the node that all share, or the first names. */
const placeOf = (pairs: readonly PairResult[]): string => {
  const [first] = pairs
  const shared = [first?.source?.node, first?.destination?.node].find((node) =>
    pairs.every(({ source, destination }) => source?.node === node || destination?.node === node),
  )
  if (pairs.length > 2 && shared) return `all from or to ${sanitize(shared)}`
  const names = pairs
    .slice(0, 3)
    .map(({ source, destination }) =>
      sanitize(`${source?.node} → ${destination?.node}${source?.interface ? ` on ${source.interface}` : ''}`),
    )
  const rest = pairs.length > 3 ? `, and ${formatCount(pairs.length - 3)} more` : ''
  return names.join(', ') + rest
}

const renderFailures = (pairs: readonly PairResult[], paint: Paint): string[] => {
  const groups = groupFailures(pairs)
  if (groups.length === 0) return []
  const failed = groups.reduce((sum, group) => sum + group.pairs.length, 0)
  const lines = groups.slice(0, MAX_GROUPS).map(({ outcome, reason, pairs: members }) => {
    const why = reason ? `: ${sanitize(reason)}` : ''
    return `  ${formatCount(members.length)} ${outcomeWord(outcome).replace('_', ' ')}, ${placeOf(members)}${why}`
  })
  if (groups.length > MAX_GROUPS) lines.push(`  and ${counted(groups.length - MAX_GROUPS, 'other reason')}`)
  return [
    paint('red', `✘ ${formatCount(failed)} of ${counted(pairs.length, 'pair')} could not be measured.`),
    ...lines,
  ]
}

const STATE_SENTENCES: Partial<Record<RunState, string>> = {
  [RunState.RUN_STATE_PENDING]: 'The run is waiting for another run on the same interfaces.',
  [RunState.RUN_STATE_RUNNING]: 'The run is active.',
  [RunState.RUN_STATE_CANCELLED]: 'The run was cancelled. These are the results until then.',
  [RunState.RUN_STATE_INTERRUPTED]: 'The run was interrupted. These are the results until then.',
  [RunState.RUN_STATE_FAILED]: 'The run failed.',
}

const STATE_COLORS: Partial<Record<JudgementState, Parameters<Paint>[0]>> = {
  [JudgementState.JUDGEMENT_STATE_HEALTHY]: 'green',
  [JudgementState.JUDGEMENT_STATE_BAD]: 'red',
}

/** The headline of a judgement. The verdicts of a bad one have lines of their own. */
export const renderAnswer = ({ state, headline }: Judgement, paint: Paint): string =>
  paint(STATE_COLORS[state] ?? 'yellow', sanitize(headline))

/** The lines of the headline, the most important first. */
export const renderHeadline = (run: Run, pairs: readonly PairResult[], paint: Paint): string[] => {
  const { judgement, verdicts, state, stateReason } = run
  const lines = [
    ...verdicts.flatMap((verdict) => renderVerdict(verdict, run, paint)),
    ...renderMisses(run.summary?.expectations ?? [], paint),
  ]
  const answer = judgement && lines.length === 0 ? renderAnswer(judgement, paint) : undefined
  if (answer) lines.push(answer)
  if (state !== RunState.RUN_STATE_COMPLETED) {
    // The answer of a run without a verdict says itself that it ended early.
    const sentence = answer ? '' : (STATE_SENTENCES[state] ?? `The run is ${stateWord(state)}.`)
    const text = [sentence, sanitize(stateReason)].filter((part) => part !== '').join(' ')
    if (text) lines.push(paint('yellow', text))
  }
  const notes = (judgement?.notes ?? []).map((note) => paint('yellow', `Note: ${sanitize(note)}`))
  return [...lines, ...notes, ...renderCoverage(judgement, paint), ...renderFailures(pairs, paint)]
}

/** The coverage in one line, where it is not complete and verdicts are the headline. */
const renderCoverage = (judgement: Judgement | undefined, paint: Paint): string[] => {
  const { requestedCount = 0, observedCount = 0 } = judgement?.coverage ?? {}
  if (judgement?.state !== JudgementState.JUDGEMENT_STATE_BAD || observedCount >= requestedCount) return []
  const verb = observedCount === 1 ? 'was' : 'were'
  return [
    paint('yellow', `${formatCount(observedCount)} of ${counted(requestedCount, 'pair')} ${verb} observed.`),
  ]
}
