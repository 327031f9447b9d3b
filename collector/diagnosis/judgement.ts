/**
 * The one place that decides whether something is wrong. Headline, marks, exit code, JSON, API, metrics and page render
 * what `judge` returns; test/architecture forbids other code to decide it again.
 */

import { counted, formatCount } from '../../lib/units.ts'
import type { Coverage } from './coverage.ts'
import type { Verdict } from './verdict.ts'

export const JUDGEMENT_STATES = ['healthy', 'bad', 'unclear'] as const

/** `healthy`: nothing is wrong and enough was observed to say so. `unclear`: too little was observed to decide. */
export type JudgementState = (typeof JUDGEMENT_STATES)[number]

/** The answer of a run, or of the ping meshes. */
export type Judgement = {
  readonly state: JudgementState
  /** The answer in one line. */
  readonly headline: string
  /** What is not wrong and should be known, one sentence each. */
  readonly notes: readonly string[]
  readonly coverage: Coverage
  /** The number of pairs that are marked as bad. */
  readonly markedCount: number
  /** The number of expectations that were not met. */
  readonly missedExpectationCount: number
  /** Of the command line: 0 healthy, 1 bad, 3 unclear. */
  readonly exitCode: number
}

/** What was found, as counts. */
export type Findings = {
  readonly verdicts: readonly Verdict[]
  readonly notes: readonly string[]
  readonly coverage: Coverage
  readonly markedCount: number
  readonly missedExpectationCount: number
  /** Why the measurement ended early, as a sentence. Empty when it is complete. */
  readonly incomplete: string
  /** `pair` or `path`. */
  readonly subject: 'pair' | 'path'
  /** The sentence for a measurement in which nothing is wrong and everything was observed. */
  readonly healthy: string
}

const EXIT_CODES: Record<JudgementState, number> = { healthy: 0, bad: 1, unclear: 3 }

/** With a smaller ratio of observed pairs, the answer is unclear. */
const LEAST_COVERAGE = 0.5

const MAX_NAMED = 3

const observedText = ({ coverage: { observedCount, requestedCount }, subject }: Findings): string =>
  `${formatCount(observedCount)} of ${counted(requestedCount, subject)}`

/** Returns why the answer is unclear; '' when it is not. */
const unclearReason = (findings: Findings): string => {
  const { coverage, incomplete } = findings
  const { observedCount, requestedCount, unobserved } = coverage
  if (requestedCount === 0) return `No ${findings.subject} was measured.`
  if (incomplete)
    return `${incomplete} ${observedText(findings)} ${observedCount === 1 ? 'was' : 'were'} observed.`
  if (observedCount < LEAST_COVERAGE * requestedCount) return `Only ${observedText(findings)} were observed.`
  if (unobserved.length === 0) return ''
  const named = unobserved.slice(0, MAX_NAMED).join(', ')
  const more = unobserved.length > MAX_NAMED ? ` and ${unobserved.length - MAX_NAMED} more` : ''
  return `Nobody observed ${named}${more}. ${observedText(findings)} were observed.`
}

const badHeadline = ({ verdicts, missedExpectationCount, markedCount, subject }: Findings): string => {
  const [worst] = verdicts
  const missed =
    missedExpectationCount > 0
      ? `${counted(missedExpectationCount, 'expectation')} ${missedExpectationCount === 1 ? 'was' : 'were'} missed.`
      : ''
  if (!worst) return missed || `${counted(markedCount, subject)} ${markedCount === 1 ? 'is' : 'are'} bad.`
  const [answer] = /^.*?[.!](?=\s|$)/s.exec(worst.message) ?? [worst.message]
  const more = verdicts.length > 1 ? `And ${counted(verdicts.length - 1, 'verdict')} more.` : ''
  return [answer, more, missed].filter((text) => text !== '').join(' ')
}

/** Decides whether something is wrong. A mark or a missed expectation is never `healthy`. */
export const judge = (findings: Findings): Judgement => {
  const { verdicts, notes, coverage, markedCount, missedExpectationCount, healthy } = findings
  const decided = (state: JudgementState, headline: string): Judgement => ({
    state,
    headline,
    notes,
    coverage,
    markedCount,
    missedExpectationCount,
    exitCode: EXIT_CODES[state],
  })
  if (verdicts.length > 0 || markedCount > 0 || missedExpectationCount > 0)
    return decided('bad', badHeadline(findings))
  const reason = unclearReason(findings)
  if (reason) return decided('unclear', `Unclear. ${reason}`)
  if (coverage.observedCount < coverage.requestedCount)
    return decided('healthy', `No fault among the ${observedText(findings)} that were observed.`)
  return decided('healthy', healthy)
}
