/** Whether a node may take a job, from what is known of it. Pure: who asks has gathered the facts. */

import { CheckStatus } from '#proto/meshgauge/agent/v1/check.ts'
import type { Node } from '#proto/meshgauge/collector/v1/fleet.ts'
import { type CheckRecord, type NodeGate, Severity } from '#proto/meshgauge/collector/v1/health.ts'
import { fromTimestamp } from '../../lib/protobuf-time.ts'
import { formatDuration } from '../../lib/units.ts'
import { isReady } from '../inventory/selectors.ts'
import type { Parameters } from './coverage.ts'
import { severityWord } from './severity.ts'
import { concerns, type StandingVerdict } from './verdicts.ts'

/** A check that must have been run. One that was asked for by name must also apply: a skip is no pass. */
export type Required = { check: string; parameters: Parameters; byName: boolean }

export type Facts = {
  node: Node
  /** All nodes of the job. */
  job: readonly Node[]
  records: readonly CheckRecord[]
  verdicts: readonly StandingVerdict[]
  required: readonly Required[]
  /** Why it is not known what is required; empty when it is. */
  trouble: string
  now: Date
  maxAgeSeconds: number
}

/** More reasons of one check than this are in its record. */
const MAX_QUOTED = 3

const quoted = (reasons: readonly string[]): string => {
  const more = reasons.length > MAX_QUOTED ? `; and ${reasons.length - MAX_QUOTED} more` : ''
  return `${reasons.slice(0, MAX_QUOTED).join('; ')}${more}`
}

const secondsSince = (facts: Pick<Facts, 'now'>, time: Date): number =>
  Math.max(0, (facts.now.getTime() - time.getTime()) / 1000)

/** What a check found and still stands. A WARN is worth a look and holds up no job. */
const findingReasons = ({ records }: Facts): string[] =>
  records
    .filter(({ severity }) => severity >= Severity.SEVERITY_FAIL)
    .map(({ result, severity, standingReason }) => {
      if (standingReason !== '') return `check ${result?.check}: ${standingReason}`
      const word = severity === Severity.SEVERITY_EVICT ? ` (${severityWord(severity)})` : ''
      return `check ${result?.check} fails${word}: ${quoted(result?.reasons ?? [])}`
    })

const verdictReasons = (facts: Facts): string[] =>
  facts.verdicts
    .filter(
      ({ verdict, time }) =>
        secondsSince(facts, time) <= facts.maxAgeSeconds && concerns(verdict, facts.node, facts.job),
    )
    .map(({ run, test, verdict }) => {
      const [sentence = ''] = verdict.message.split('\n')
      return `${test} run ${run} blames it: ${sentence}`
    })

/** Why a required check says nothing; undefined when it does. */
const whyMissing = (facts: Facts, { check, byName }: Required): string | undefined => {
  const record = facts.records.find(({ result }) => result?.check === check)
  if (!record?.result) return `check ${check} has not been run`
  const { status, reasons } = record.result
  if (status === CheckStatus.CHECK_STATUS_ERROR)
    return `check ${check} could not be carried out: ${quoted(reasons)}`
  if (byName && status === CheckStatus.CHECK_STATUS_SKIPPED)
    return `check ${check} was skipped: ${quoted(reasons)}`
  const time = fromTimestamp(record.verdictTime)
  const age = time ? secondsSince(facts, time) : Number.POSITIVE_INFINITY
  if (age <= facts.maxAgeSeconds) return undefined
  return `check ${check} was last run ${formatDuration(age)} ago, more than ${formatDuration(facts.maxAgeSeconds)}`
}

/** The required checks that say nothing, with why; also those that a silent agent cannot be asked for. */
export const missingChecks = (facts: Facts): (Required & { why: string })[] =>
  facts.required.flatMap((required) => {
    const why = whyMissing(facts, required)
    return why === undefined ? [] : [{ ...required, why }]
  })

export const judgeNode = (facts: Facts): NodeGate => {
  const { node } = facts
  const known = [...findingReasons(facts), ...verdictReasons(facts)]
  const unknown = [
    ...(isReady(node) ? [] : [`the agent does not answer: ${node.stateReason || 'it was not asked yet'}`]),
    ...(facts.trouble === '' ? [] : [facts.trouble]),
    ...missingChecks(facts).map(({ why }) => why),
  ]
  const reasons = [...known, ...unknown]
  return {
    node: node.name,
    open: reasons.length === 0,
    reasons,
    unknown: known.length === 0 && unknown.length > 0,
  }
}
