import { describe, expect, test } from 'vitest'
import { CheckResult, CheckStatus } from '#proto/meshgauge/agent/v1/check.ts'
import { CheckRecord, NodeHealth, Severity } from '#proto/meshgauge/collector/v1/health.ts'
import { renderHealth } from './health-text.ts'

const NOW = new Date('2026-11-20T12:00:00Z')

const shown = (status: CheckStatus, severity: Severity, reasons: string[] = []): string => {
  const result = CheckResult.create({ check: 'gpumem', status, reasons })
  const checks = [CheckRecord.create({ result, severity, time: { seconds: 1_795_000_000, nanos: 0 } })]
  return renderHealth([NodeHealth.create({ node: 'gpu-1', severity, checks })], NOW, (_, text) => text)
}

describe('renderHealth', () => {
  test('a check that can no longer run is not shown as passed', () => {
    const text = shown(CheckStatus.CHECK_STATUS_ERROR, Severity.SEVERITY_PASS, ['gpucheck hangs'])
    expect(text).toContain('  ? gpu-1 gpumem: gpucheck hangs\n')
    expect(text).toMatch(/^gpu-1 +✔ pass .*\? error$/m)
  })

  test('an earlier finding remains when the check can no longer run', () => {
    const text = shown(CheckStatus.CHECK_STATUS_ERROR, Severity.SEVERITY_FAIL, ['gpucheck hangs'])
    expect(text).toMatch(/^gpu-1 +✘ fail .*✘ fail$/m)
  })

  test('a skipped check is not shown as passed', () => {
    expect(shown(CheckStatus.CHECK_STATUS_SKIPPED, Severity.SEVERITY_PASS)).toMatch(
      /^ {2}- skipped on all nodes: gpumem$/m,
    )
  })
})
