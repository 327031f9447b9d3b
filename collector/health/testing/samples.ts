import { CheckResult, CheckStatus } from '#proto/meshgauge/agent/v1/check.ts'
import { toDuration, toTimestamp } from '../../../lib/protobuf-time.ts'

/** Results of checks for tests, here and of the stages that follow. */

const START = new Date('2026-01-02T03:04:05Z')

const STATUS = {
  pass: CheckStatus.CHECK_STATUS_PASS,
  warn: CheckStatus.CHECK_STATUS_WARN,
  fail: CheckStatus.CHECK_STATUS_FAIL,
  evict: CheckStatus.CHECK_STATUS_FAIL,
  skipped: CheckStatus.CHECK_STATUS_SKIPPED,
  error: CheckStatus.CHECK_STATUS_ERROR,
} as const

export type Said = keyof typeof STATUS

export const checkResult = (check: string, said: Said, fields: Partial<CheckResult> = {}): CheckResult => ({
  ...CheckResult.fromPartial({
    check,
    status: STATUS[said],
    reasons: said === 'pass' ? [] : [`${check} says ${said}`],
    evidence:
      said === 'evict'
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
