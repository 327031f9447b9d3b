/**
 * How bad a check's findings are, and what clears them.
 *
 * A finding stands until the same check looks at as much, at the same or a heavier level, and finds it better: a WARN
 * or FAIL is then replaced by what was found, an EVICT only by a pass. ERROR and SKIPPED say nothing of the node: they
 * neither clear nor worsen. ClearHealth forgets all findings.
 */

import { type CheckResult, CheckStatus } from '#proto/meshgauge/agent/v1/check.ts'
import { type CheckRecord, type Finding, Severity } from '#proto/meshgauge/collector/v1/health.ts'
import { fromTimestamp, toTimestamp } from '../../lib/protobuf-time.ts'
import { covers, describeParameters, levelOf, type Parameters } from './coverage.ts'

/** Findings kept of one check on one node. Each other set of parameters may add one, and callers choose these. */
export const MAX_FINDINGS = 8

/** The severity that a result alone says; undefined for one without a verdict. */
export const verdictOf = ({ status, evidence }: CheckResult): Severity | undefined => {
  if (status === CheckStatus.CHECK_STATUS_PASS) return Severity.SEVERITY_PASS
  if (status === CheckStatus.CHECK_STATUS_WARN) return Severity.SEVERITY_WARN
  if (status !== CheckStatus.CHECK_STATUS_FAIL) return undefined
  return evidence.some(({ fatal }) => fatal) ? Severity.SEVERITY_EVICT : Severity.SEVERITY_FAIL
}

export const severityWord = (severity: Severity): string => {
  const words: Partial<Record<Severity, string>> = {
    [Severity.SEVERITY_PASS]: 'PASS',
    [Severity.SEVERITY_WARN]: 'WARN',
    [Severity.SEVERITY_FAIL]: 'FAIL',
    [Severity.SEVERITY_EVICT]: 'EVICT',
  }
  return words[severity] ?? 'UNKNOWN'
}

const isCleared = (finding: Finding, verdict: Severity, parameters: Parameters): boolean =>
  covers(parameters, finding.parameters ?? {}) &&
  (finding.severity < Severity.SEVERITY_EVICT ||
    verdict === Severity.SEVERITY_PASS ||
    verdict === Severity.SEVERITY_EVICT)

/** The result with what is wrong, and the raw output left to the last result. */
export const withoutPasses = (result: CheckResult): CheckResult => ({
  ...result,
  rawOutput: '',
  evidence: result.evidence.filter(({ status }) => status !== CheckStatus.CHECK_STATUS_PASS),
})

const toFinding = (severity: Severity, result: CheckResult, parameters: Parameters, now: Date): Finding => ({
  severity,
  result: withoutPasses(result),
  parameters,
  time: toTimestamp(now),
})

const byWorstThenNewest = (a: Finding, b: Finding): number =>
  b.severity - a.severity || (fromTimestamp(b.time)?.getTime() ?? 0) - (fromTimestamp(a.time)?.getTime() ?? 0)

/** What must pass to clear a finding, and the other way out. */
const wayOut = (finding: Finding): string => {
  const check = finding.result?.check ?? 'the check'
  const parameters = finding.parameters ?? {}
  const { level: _, ...rest } = parameters
  const heavier = levelOf(parameters) > 1 ? ` at level ${levelOf(parameters)} or higher` : ''
  return `cleared when ${check} passes${heavier}${describeParameters(rest)}, or by "meshgauge health clear"`
}

/** Why the severity is not what the last result says; empty when it is. */
const reasonOf = (finding: Finding | undefined, verdict: Severity | undefined): string => {
  if (!finding || finding.severity === verdict) return ''
  const at = fromTimestamp(finding.time)?.toISOString() ?? 'an unknown time'
  const why = finding.result?.reasons[0]
  const level = levelOf(finding.parameters ?? {})
  const heavy = level > 1 ? ` of level ${level}` : ''
  return `${severityWord(finding.severity)}${heavy} found at ${at} stands${why ? ` (${why})` : ''}; ${wayOut(finding)}`
}

const severityOf = (findings: readonly Finding[], isKnown: boolean): Severity =>
  findings[0]?.severity ?? (isKnown ? Severity.SEVERITY_PASS : Severity.SEVERITY_UNSPECIFIED)

/** The record of a check after one more result. */
export const remember = (
  previous: CheckRecord | undefined,
  result: CheckResult,
  parameters: Parameters,
  now: Date,
): CheckRecord => {
  const verdict = verdictOf(result)
  const standing = (previous?.findings ?? []).filter(
    (finding) => verdict === undefined || !isCleared(finding, verdict, parameters),
  )
  const found =
    verdict !== undefined && verdict > Severity.SEVERITY_PASS
      ? [toFinding(verdict, result, parameters, now)]
      : []
  // The worst stay, so that no flood of light findings pushes out a heavy one.
  const findings = [...found, ...standing].sort(byWorstThenNewest).slice(0, MAX_FINDINGS)
  const answered = verdict !== undefined || result.status === CheckStatus.CHECK_STATUS_SKIPPED
  const verdictTime = answered ? toTimestamp(now) : previous?.verdictTime
  return {
    result,
    severity: severityOf(findings, verdictTime !== undefined),
    standingReason: reasonOf(findings[0], verdict),
    time: toTimestamp(now),
    parameters,
    findings,
    verdictTime,
  }
}

/** The record without its findings: what is wrong will be found again, if it is. */
export const forget = (record: CheckRecord): CheckRecord => ({
  ...record,
  findings: [],
  severity: severityOf([], record.verdictTime !== undefined),
  standingReason: '',
})

/** The worst of a node's checks; not known when one could not be carried out and none found anything. */
export const worstOf = (records: readonly CheckRecord[]): Severity => {
  const severities = records.map(({ severity }) => severity)
  const worst = Math.max(Severity.SEVERITY_UNSPECIFIED, ...severities) as Severity
  const isUnknown = severities.includes(Severity.SEVERITY_UNSPECIFIED)
  return worst <= Severity.SEVERITY_PASS && isUnknown ? Severity.SEVERITY_UNSPECIFIED : worst
}
