/** How a check puts together what it saw. */

import { CheckStatus, type Evidence } from '#proto/meshgauge/agent/v1/check.ts'
import type { Findings } from './check.ts'

export const PASS = CheckStatus.CHECK_STATUS_PASS
export const WARN = CheckStatus.CHECK_STATUS_WARN
export const FAIL = CheckStatus.CHECK_STATUS_FAIL
export const SKIPPED = CheckStatus.CHECK_STATUS_SKIPPED
export const ERROR = CheckStatus.CHECK_STATUS_ERROR

/** Evidence with the sentence that it adds to the reasons; an empty sentence adds none. */
export type Finding = Evidence & { reason: string }

/** What google.protobuf.Value holds. */
export type Value = number | string | boolean | null | readonly string[]

/** Something that was seen; good unless a status says otherwise. */
export const found = (
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

/** Where a value stops being good. */
export type Thresholds = { warn?: number | undefined; fail?: number | undefined }

/** The status of a value that is bad when it is over its thresholds. */
export const statusAbove = (value: number, { warn, fail }: Thresholds): CheckStatus =>
  fail !== undefined && value > fail ? FAIL : warn !== undefined && value > warn ? WARN : PASS

/** The status of a value that is bad when it is under its thresholds. */
export const statusBelow = (value: number, { warn, fail }: Thresholds): CheckStatus =>
  fail !== undefined && value < fail ? FAIL : warn !== undefined && value < warn ? WARN : PASS

/** The threshold that a status other than PASS is about. */
export const limitOf = (status: CheckStatus, { warn, fail }: Thresholds): number =>
  (status === FAIL ? fail : warn) ?? 0

export const toFindings = (findings: readonly Finding[], rawOutput = ''): Findings => ({
  evidence: findings.map(({ reason: _, ...evidence }) => evidence),
  reasons: findings.map(({ reason }) => reason).filter((reason) => reason !== ''),
  rawOutput,
})

/** It does not apply here. */
export const skipped = (reasons: string[], rawOutput = ''): Findings => ({
  evidence: [],
  reasons,
  rawOutput,
  status: SKIPPED,
})

/** It could not be carried out. */
export const notDone = (reasons: string[], rawOutput = ''): Findings => ({
  evidence: [],
  reasons,
  rawOutput,
  status: ERROR,
})
