/**
 * The severity of a check's findings, and what clears them.
 *
 * A finding applies until the same check examines at least as much, at the same or a higher level, with a better result.
 * Any such result replaces a WARN or FAIL. Only a pass clears an EVICT. ERROR and SKIPPED are no statements about the
 * node: they neither clear nor worsen a finding. ClearHealth removes all findings.
 */

import { type CheckResult, CheckStatus } from '#proto/meshgauge/agent/v1/check.ts'
import { type CheckRecord, type Finding, Severity } from '#proto/meshgauge/collector/v1/health.ts'
import { fromTimestamp, toTimestamp } from '../../../lib/protobuf-time.ts'
import { type CheckParameters, describeParameters } from '../assign/check-parameters.ts'
import { coversParameters, levelOf } from './parameter-coverage.ts'

/** Findings that are stored for one check on one node. Each set of parameters that callers choose may add one. */
export const MAX_FINDINGS = 8

/** The severity of a single result; undefined for ERROR and SKIPPED. */
export const severityOfResult = ({ status, evidence }: CheckResult): Severity | undefined => {
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

const isCleared = (finding: Finding, verdict: Severity, parameters: CheckParameters): boolean =>
  coversParameters(parameters, finding.parameters ?? {}) &&
  (finding.severity < Severity.SEVERITY_EVICT ||
    verdict === Severity.SEVERITY_PASS ||
    verdict === Severity.SEVERITY_EVICT)

/** A result without the evidence that passed and without the raw output, which only the last result has. */
export const withoutPasses = (result: CheckResult): CheckResult => ({
  ...result,
  rawOutput: '',
  evidence: result.evidence.filter(({ status }) => status !== CheckStatus.CHECK_STATUS_PASS),
})

const toFinding = (
  severity: Severity,
  result: CheckResult,
  parameters: CheckParameters,
  now: Date,
): Finding => ({
  severity,
  result: withoutPasses(result),
  parameters,
  time: toTimestamp(now),
})

const byWorstThenNewest = (a: Finding, b: Finding): number =>
  b.severity - a.severity || (fromTimestamp(b.time)?.getTime() ?? 0) - (fromTimestamp(a.time)?.getTime() ?? 0)

/** How a finding is cleared. */
const clearedWhen = (finding: Finding): string => {
  const check = finding.result?.check ?? 'the check'
  const parameters = finding.parameters ?? {}
  const { level: _, ...rest } = parameters
  const level = levelOf(parameters) > 1 ? ` at level ${levelOf(parameters)} or higher` : ''
  return `cleared when ${check} passes${level}${describeParameters(rest)}, or by "meshgauge health clear"`
}

/** Why the severity differs from the last result; empty when it does not. */
const standingReasonOf = (finding: Finding | undefined, verdict: Severity | undefined): string => {
  if (!finding || finding.severity === verdict) return ''
  const at = fromTimestamp(finding.time)?.toISOString() ?? 'an unknown time'
  const why = finding.result?.reasons[0]
  const level = levelOf(finding.parameters ?? {})
  const ofLevel = level > 1 ? ` of level ${level}` : ''
  return `${severityWord(finding.severity)}${ofLevel} found at ${at} still applies${why ? ` (${why})` : ''}; ${clearedWhen(finding)}`
}

const severityOf = (findings: readonly Finding[], isKnown: boolean): Severity =>
  findings[0]?.severity ?? (isKnown ? Severity.SEVERITY_PASS : Severity.SEVERITY_UNSPECIFIED)

/** The record of a check after one more result. */
export const addResult = (
  previous: CheckRecord | undefined,
  result: CheckResult,
  parameters: CheckParameters,
  now: Date,
): CheckRecord => {
  const verdict = severityOfResult(result)
  const remaining = (previous?.findings ?? []).filter(
    (finding) => verdict === undefined || !isCleared(finding, verdict, parameters),
  )
  const found =
    verdict !== undefined && verdict > Severity.SEVERITY_PASS
      ? [toFinding(verdict, result, parameters, now)]
      : []
  // Keep the worst findings, so that many light ones do not displace a severe one.
  const findings = [...found, ...remaining].sort(byWorstThenNewest).slice(0, MAX_FINDINGS)
  const hasAnswered = verdict !== undefined || result.status === CheckStatus.CHECK_STATUS_SKIPPED
  const verdictTime = hasAnswered ? toTimestamp(now) : previous?.verdictTime
  return {
    result,
    severity: severityOf(findings, verdictTime !== undefined),
    standingReason: standingReasonOf(findings[0], verdict),
    time: toTimestamp(now),
    parameters,
    findings,
    verdictTime,
  }
}

/** The record without its findings. The next run of the check finds those that still apply. */
export const clearFindings = (record: CheckRecord): CheckRecord => ({
  ...record,
  findings: [],
  severity: severityOf([], record.verdictTime !== undefined),
  standingReason: '',
})

/** The worst severity of a node's checks; UNSPECIFIED when a check could not be carried out and no check found anything. */
export const worstSeverityOf = (records: readonly CheckRecord[]): Severity => {
  const severities = records.map(({ severity }) => severity)
  const worst = Math.max(Severity.SEVERITY_UNSPECIFIED, ...severities) as Severity
  const isUnknown = severities.includes(Severity.SEVERITY_UNSPECIFIED)
  return worst <= Severity.SEVERITY_PASS && isUnknown ? Severity.SEVERITY_UNSPECIFIED : worst
}
