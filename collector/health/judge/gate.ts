/** Whether a node may take a job. A pure function of the facts that job-gate.ts collects. */

import { CheckStatus } from '#proto/meshgauge/agent/v1/check.ts'
import { type CheckRecord, type NodeGate, Severity } from '#proto/meshgauge/collector/v1/health.ts'
import { fromTimestamp } from '../../../lib/protobuf-time.ts'
import { formatDuration } from '../../../lib/units.ts'
import type { FleetNode } from '../../inventory/node.ts'
import { isReady } from '../../inventory/selectors.ts'
import type { CheckParameters } from '../assign/check-parameters.ts'
import { severityWord } from '../state/findings.ts'
import { concernsNode, type StandingVerdict } from './standing-verdicts.ts'

/** A check that must have run. When the caller has named it (`byName`), the status SKIPPED is not sufficient. */
export type RequiredCheck = { check: string; parameters: CheckParameters; byName: boolean }

export type GateFacts = {
  node: FleetNode
  /** All nodes of the job. */
  job: readonly FleetNode[]
  records: readonly CheckRecord[]
  verdicts: readonly StandingVerdict[]
  required: readonly RequiredCheck[]
  /** Why the required checks are not known; empty when they are. */
  requiredProblem: string
  now: Date
  maxAgeSeconds: number
}

/** Reasons of one check that are shown. Its record has all of them. */
const MAX_REASONS = 3

const joinReasons = (reasons: readonly string[]): string => {
  const more = reasons.length > MAX_REASONS ? `; and ${reasons.length - MAX_REASONS} more` : ''
  return `${reasons.slice(0, MAX_REASONS).join('; ')}${more}`
}

const secondsSince = (facts: Pick<GateFacts, 'now'>, time: Date): number =>
  Math.max(0, (facts.now.getTime() - time.getTime()) / 1000)

/** The findings that still apply. A WARN does not prevent a job. */
const findingReasons = ({ records }: GateFacts): string[] =>
  records
    .filter(({ severity }) => severity >= Severity.SEVERITY_FAIL)
    .map(({ result, severity, standingReason }) => {
      if (standingReason !== '') return `check ${result?.check}: ${standingReason}`
      const word = severity === Severity.SEVERITY_EVICT ? ` (${severityWord(severity)})` : ''
      return `check ${result?.check} fails${word}: ${joinReasons(result?.reasons ?? [])}`
    })

const verdictReasons = (facts: GateFacts): string[] =>
  facts.verdicts
    .filter(
      ({ verdict, time }) =>
        secondsSince(facts, time) <= facts.maxAgeSeconds && concernsNode(verdict, facts.node, facts.job),
    )
    .map(({ run, test, verdict }) => {
      const [sentence = ''] = verdict.message.split('\n')
      return `${test} run ${run} has a verdict against it: ${sentence}`
    })

/** Why a required check has no current result; undefined when it has. */
const missingReason = (facts: GateFacts, { check, byName }: RequiredCheck): string | undefined => {
  const record = facts.records.find(({ result }) => result?.check === check)
  if (!record?.result) return `check ${check} has not been run`
  const { status, reasons } = record.result
  if (status === CheckStatus.CHECK_STATUS_ERROR)
    return `check ${check} could not be carried out: ${joinReasons(reasons)}`
  if (byName && status === CheckStatus.CHECK_STATUS_SKIPPED)
    return `check ${check} was skipped: ${joinReasons(reasons)}`
  const time = fromTimestamp(record.verdictTime)
  const age = time ? secondsSince(facts, time) : Number.POSITIVE_INFINITY
  if (age <= facts.maxAgeSeconds) return undefined
  return `check ${check} was last run ${formatDuration(age)} ago, more than ${formatDuration(facts.maxAgeSeconds)}`
}

/** The required checks without a current result, with the reason. */
export const missingChecks = (facts: GateFacts): (RequiredCheck & { reason: string })[] =>
  facts.required.flatMap((required) => {
    const reason = missingReason(facts, required)
    return reason === undefined ? [] : [{ ...required, reason }]
  })

/** Whether a node may take a job. It is `unknown` when no finding or verdict is against it, but something is missing. */
export const judgeNode = (facts: GateFacts): NodeGate => {
  const { node } = facts
  const against = [...findingReasons(facts), ...verdictReasons(facts)]
  const missing = [
    ...(isReady(node)
      ? []
      : [`the agent does not answer: ${node.stateReason || 'it has not been contacted yet'}`]),
    ...(facts.requiredProblem === '' ? [] : [facts.requiredProblem]),
    ...missingChecks(facts).map(({ reason }) => reason),
  ]
  const reasons = [...against, ...missing]
  return {
    node: node.name,
    open: reasons.length === 0,
    reasons,
    unknown: against.length === 0 && missing.length > 0,
  }
}
