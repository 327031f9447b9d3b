/** Creates the findings of checks. */

import { CheckStatus, type Evidence } from '#proto/meshgauge/agent/v1/check.ts'
import type { Findings } from './check.ts'

export const PASS = CheckStatus.CHECK_STATUS_PASS
export const WARN = CheckStatus.CHECK_STATUS_WARN
export const FAIL = CheckStatus.CHECK_STATUS_FAIL
export const SKIPPED = CheckStatus.CHECK_STATUS_SKIPPED
export const ERROR = CheckStatus.CHECK_STATUS_ERROR

/** Evidence, with its sentence for the reasons; empty for none. */
export type Finding = Evidence & { reason: string }

/** The values of google.protobuf.Value. */
export type Value = number | string | boolean | null | readonly string[]

/** Creates a finding; PASS unless a status is given. */
export const createFinding = (
  subject: string,
  name: string,
  value: Value,
  unit = '',
  status: CheckStatus = PASS,
  reason = '',
): Finding => ({
  subject,
  name,
  value,
  unit,
  status,
  fatal: false,
  reason: reason && `${subject}: ${reason}`,
})

/** The thresholds of a value. */
export type Thresholds = { warn?: number | undefined; fail?: number | undefined }

/** Returns the status of a value that is bad above its thresholds. */
export const statusAbove = (value: number, { warn, fail }: Thresholds): CheckStatus =>
  fail !== undefined && value > fail ? FAIL : warn !== undefined && value > warn ? WARN : PASS

/** Returns the status of a value that is bad below its thresholds. */
export const statusBelow = (value: number, { warn, fail }: Thresholds): CheckStatus =>
  fail !== undefined && value < fail ? FAIL : warn !== undefined && value < warn ? WARN : PASS

/** Returns the threshold of a status other than PASS. */
export const limitOf = (status: CheckStatus, { warn, fail }: Thresholds): number =>
  (status === FAIL ? fail : warn) ?? 0

export const toFindings = (findings: readonly Finding[], rawOutput = ''): Findings => ({
  evidence: findings.map(({ reason: _, ...evidence }) => evidence),
  reasons: findings.map(({ reason }) => reason).filter((reason) => reason !== ''),
  rawOutput,
})

/** The result of a check that does not apply here. */
export const skipped = (reasons: string[], rawOutput = ''): Findings => ({
  evidence: [],
  reasons,
  rawOutput,
  status: SKIPPED,
})

/** The result of a check that could not run. */
export const couldNotRun = (reasons: string[], rawOutput = ''): Findings => ({
  evidence: [],
  reasons,
  rawOutput,
  status: ERROR,
})
