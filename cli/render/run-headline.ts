/** The headline of a run: verdicts, missed expectations and failures; and the exit code. */

import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { PairResult, Verdict } from '#proto/meshgauge/collector/v1/result.ts'
import { type Run, RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { outcomeWord, runTopology, stateWord } from './enum-words.ts'
import { missedCount, renderMisses } from './expectations-text.ts'
import { counted, formatCount } from './figures.ts'
import { type Paint, sanitize } from './paint.ts'

/** A verdict about a node needs at least this many peers. */
const MIN_PEERS = 3

/** Maximum number of failure groups to list; more are counted. */
const MAX_GROUPS = 5

export const runExitCode = (run: Run, pairs: readonly PairResult[]): ExitCode => {
  if (run.verdicts.length > 0 || missedCount(run.summary?.expectations ?? []) > 0) return EXIT.verdict
  const complete = run.state === RunState.RUN_STATE_COMPLETED
  const measured = pairs.every((pair) => pair.outcome === Outcome.OUTCOME_MEASURED)
  return complete && measured && pairs.length > 0 ? EXIT.healthy : EXIT.notMeasured
}

/** Splits the collector's message: the first sentence is the answer, the rest is the evidence. */
const splitMessage = (message: string): { answer: string; evidence: string } => {
  const match = /^(.*?[.!])\s+(.+)$/.exec(message)
  return match ? { answer: match[1]!, evidence: match[2]! } : { answer: message, evidence: '' }
}

const countEvidence = ({ pairsFor, pairsAgainst, retested }: Verdict): string => {
  const all = pairsFor.length + pairsAgainst.length
  const agreement = all > 0 ? `${formatCount(pairsFor.length)} of ${counted(all, 'pair')} agree.` : ''
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

const extentOf = (pairs: readonly PairResult[]) => {
  const ends = pairs.flatMap(({ source, destination }) => [source, destination])
  const peers = new Map<string, Set<string>>()
  for (const { source, destination } of pairs) {
    const key = `${source?.node}\0${source?.interface}`
    peers.set(key, (peers.get(key) ?? new Set()).add(destination?.node ?? ''))
  }
  return {
    nodes: new Set(ends.map((end) => end?.node)).size,
    interfaces: new Set(ends.map((end) => `${end?.node}\0${end?.interface}`)).size,
    canNameCulprit: [...peers.values()].some((set) => set.size >= MIN_PEERS),
  }
}

const renderNoVerdict = (run: Run, pairs: readonly PairResult[], paint: Paint): string[] => {
  const worst = (run.summary?.interfaces ?? []).reduce((sum, each) => sum + each.worst.length, 0)
  const { nodes, interfaces, canNameCulprit } = extentOf(pairs)
  const extent = `${counted(nodes, 'node')} and ${counted(interfaces, 'interface')}`
  if (worst > 0) {
    const advice = canNameCulprit
      ? ''
      : ` A ${runTopology(run)} has too few peers to name a culprit; run a mesh.`
    const outliers = `${counted(worst, 'pair')} ${worst === 1 ? 'stands' : 'stand'} out`
    return [paint('yellow', `No culprit among ${extent}, but ${outliers}.${advice}`)]
  }
  if (!canNameCulprit) {
    return [
      `${paint('green', 'No pair stands out')} among ${extent}. Only a mesh of 4 or more nodes can name a culprit.`,
    ]
  }
  return [`${paint('green', 'Healthy.')} No culprit among ${extent}.`]
}

const STATE_SENTENCES: Partial<Record<RunState, string>> = {
  [RunState.RUN_STATE_PENDING]: 'The run is waiting for another run on the same interfaces.',
  [RunState.RUN_STATE_RUNNING]: 'The run is active.',
  [RunState.RUN_STATE_CANCELLED]: 'The run was cancelled. These are the results until then.',
  [RunState.RUN_STATE_INTERRUPTED]: 'The run was interrupted. These are the results until then.',
  [RunState.RUN_STATE_FAILED]: 'The run failed.',
}

/** The lines of the headline, the most important first. */
export const renderHeadline = (run: Run, pairs: readonly PairResult[], paint: Paint): string[] => {
  const lines = [
    ...run.verdicts.flatMap((verdict) => renderVerdict(verdict, run, paint)),
    ...renderMisses(run.summary?.expectations ?? [], paint),
  ]
  if (run.state !== RunState.RUN_STATE_COMPLETED) {
    const why = run.stateReason ? ` ${sanitize(run.stateReason)}` : ''
    lines.push(
      paint('yellow', `${STATE_SENTENCES[run.state] ?? `The run is ${stateWord(run.state)}.`}${why}`),
    )
  }
  const failures = renderFailures(pairs, paint)
  if (pairs.length === 0) lines.push(paint('red', 'Nothing was measured.'))
  else if (lines.length === 0 && failures.length === 0) lines.push(...renderNoVerdict(run, pairs, paint))
  return [...lines, ...failures]
}
