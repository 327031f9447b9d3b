import { CheckResult, CheckStatus } from '#proto/meshgauge/agent/v1/check.ts'
import { toDuration, toTimestamp } from '../../../lib/protobuf-time.ts'

/** Results of checks for tests of this and later stages. */

const START = new Date('2026-01-02T03:04:05Z')

const STATUS = {
  pass: CheckStatus.CHECK_STATUS_PASS,
  warn: CheckStatus.CHECK_STATUS_WARN,
  fail: CheckStatus.CHECK_STATUS_FAIL,
  evict: CheckStatus.CHECK_STATUS_FAIL,
  skipped: CheckStatus.CHECK_STATUS_SKIPPED,
  error: CheckStatus.CHECK_STATUS_ERROR,
} as const

export type SampleStatus = keyof typeof STATUS

export const checkResult = (
  check: string,
  status: SampleStatus,
  fields: Partial<CheckResult> = {},
): CheckResult => ({
  ...CheckResult.fromPartial({
    check,
    status: STATUS[status],
    reasons: status === 'pass' ? [] : [`${check} says ${status}`],
    evidence:
      status === 'evict'
        ? [
            {
              subject: '0',
              name: 'memory',
              value: 'fail',
              status: CheckStatus.CHECK_STATUS_FAIL,
              fatal: true,
            },
          ]
        : [],
    startTime: toTimestamp(START),
    duration: toDuration(0.5),
  }),
  ...fields,
})
