import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type CheckRecord, Severity } from '#proto/meshgauge/collector/v1/health.ts'
import type { CheckParameters } from '../assign/check-parameters.ts'
import { checkResult, type SampleStatus } from '../testing/samples.ts'
import { addResult, clearFindings, MAX_FINDINGS, severityOfResult, worstSeverityOf } from './findings.ts'
import { coversParameters } from './parameter-coverage.ts'

const { SEVERITY_UNSPECIFIED, SEVERITY_PASS, SEVERITY_WARN, SEVERITY_FAIL, SEVERITY_EVICT } = Severity

type Step = { status: SampleStatus; parameters: CheckParameters }

const minute = (index: number) => new Date(Date.UTC(2026, 0, 1, 0, index))
const recordAfter = (steps: readonly Step[]): CheckRecord | undefined =>
  steps.reduce<CheckRecord | undefined>(
    (record, { status, parameters }, index) =>
      addResult(record, checkResult('dcgm', status), parameters, minute(index)),
    undefined,
  )
const step = (status: SampleStatus, level = 1): Step => ({ status, parameters: { level } })

describe('a better result clears a finding only if it covers it', () => {
  test.each<[string, Step[], Severity]>([
    ['a pass of the same level clears a FAIL', [step('fail'), step('pass')], SEVERITY_PASS],
    ['a pass of a higher level clears a FAIL', [step('fail'), step('pass', 3)], SEVERITY_PASS],
    ['a pass of a lower level does not clear a FAIL', [step('fail', 3), step('pass')], SEVERITY_FAIL],
    ['a pass of a lower level does not clear a WARN', [step('warn', 2), step('pass')], SEVERITY_WARN],
    ['a WARN of the same level replaces a FAIL', [step('fail'), step('warn')], SEVERITY_WARN],
    ['a WARN does not clear an EVICT', [step('evict'), step('warn')], SEVERITY_EVICT],
    ['a FAIL does not clear an EVICT', [step('evict'), step('fail')], SEVERITY_EVICT],
    ['a pass of the same level clears an EVICT', [step('evict', 3), step('pass', 3)], SEVERITY_PASS],
    ['a pass of a lower level does not clear an EVICT', [step('evict', 3), step('pass', 2)], SEVERITY_EVICT],
    ['an ERROR clears nothing', [step('evict'), step('error', 4)], SEVERITY_EVICT],
    ['SKIPPED clears nothing', [step('fail'), step('skipped', 4)], SEVERITY_FAIL],
    ['an ERROR alone leaves the severity unknown', [step('error')], SEVERITY_UNSPECIFIED],
    ['an ERROR after a pass does not worsen it', [step('pass'), step('error')], SEVERITY_PASS],
    ['SKIPPED alone counts as a pass', [step('skipped')], SEVERITY_PASS],
    [
      'a FAIL and a pass of a lower level leave the finding of a higher level',
      [step('fail', 3), step('fail'), step('pass')],
      SEVERITY_FAIL,
    ],
  ])('%s', (_name, steps, severity) => {
    expect(recordAfter(steps)!.severity).toBe(severity)
  })

  test('the reason names the finding and what clears it', () => {
    const record = recordAfter([step('evict', 3), step('pass')])!
    expect(record.standingReason).toBe(
      'EVICT of level 3 found at 2026-01-01T00:00:00.000Z still applies (dcgm says evict); ' +
        'cleared when dcgm passes at level 3 or higher, or by "meshgauge health clear"',
    )
    expect(recordAfter([step('evict', 3)])!.standingReason).toBe('')
    expect(recordAfter([step('evict', 3), step('pass', 3)])!.standingReason).toBe('')
    const other = recordAfter([
      { status: 'fail', parameters: { speed: '100G', interfaces: ['net0'] } },
      { status: 'pass', parameters: {} },
    ])!
    expect(other.standingReason).toContain(
      'cleared when dcgm passes with speed="100G" interfaces=["net0"], or by',
    )
  })

  test('clearFindings removes the findings and keeps the last result', () => {
    const record = recordAfter([step('evict', 3), step('pass')])!
    expect(clearFindings(record)).toMatchObject({ severity: SEVERITY_PASS, standingReason: '', findings: [] })
    expect(clearFindings(record).result).toBe(record.result)
  })
})

describe('coversParameters', () => {
  test.each<[CheckParameters, CheckParameters, boolean]>([
    [{}, {}, true],
    [{ level: 2 }, {}, true],
    [{}, { level: 2 }, false],
    [{}, { interfaces: ['net0'] }, true],
    [{ interfaces: ['net0'] }, {}, false],
    [{ interfaces: ['net1', 'net0'] }, { interfaces: ['net0'] }, true],
    [{ interfaces: ['net1'] }, { interfaces: ['net0'] }, false],
    [
      { targets: [{ address: '10.0.0.1', node: 'a' }] },
      { targets: [{ node: 'a', address: '10.0.0.1' }] },
      true,
    ],
    [{ speed: '10G' }, { speed: '100G' }, false],
    [{}, { speed: '100G' }, false],
    [{ speed: '100G' }, {}, false],
    [{ force: true, timeout: '5s' }, {}, true],
    [{ interfaces: 'net0' }, { interfaces: ['net0'] }, false],
    [{ level: 'high' }, { level: 1 }, true],
  ])('a run with %j covers a run with %j: %s', (later, earlier, expected) => {
    expect(coversParameters(later, earlier)).toBe(expected)
  })
})

const status = fc.constantFrom<SampleStatus[]>('pass', 'warn', 'fail', 'evict', 'skipped', 'error')
const parameters = fc.oneof(
  fc.record({ level: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ interfaces: fc.subarray(['net0', 'net1'], { minLength: 1 }) }),
  fc.record({ speed: fc.constantFrom('10G', '25G', '100G', '200G', '400G', '1G', '2G', '3G', '4G', '5G') }),
  fc.constant({}),
)
const history = fc.array(fc.record({ status, parameters }), { maxLength: 40 })

describe('after any history of results', () => {
  const severityOf = (steps: readonly Step[]) => recordAfter(steps)?.severity ?? SEVERITY_UNSPECIFIED

  test('the severity is at least that of the last result', () => {
    fc.assert(
      fc.property(history, fc.record({ status, parameters }), (before, last) => {
        const verdict = severityOfResult(checkResult('dcgm', last.status)) ?? SEVERITY_UNSPECIFIED
        expect(severityOf([...before, last])).toBeGreaterThanOrEqual(verdict)
      }),
    )
  })

  test('ERROR and SKIPPED neither clear nor worsen', () => {
    fc.assert(
      fc.property(history, parameters, (before, given) => {
        const previous = recordAfter(before)
        for (const each of ['error', 'skipped'] as const) {
          const record = addResult(previous, checkResult('dcgm', each), given, minute(99))
          expect(record.findings).toEqual(previous?.findings ?? [])
          if (previous && previous.severity > SEVERITY_PASS) expect(record.severity).toBe(previous.severity)
          else expect(record.severity).toBeLessThanOrEqual(SEVERITY_PASS)
        }
      }),
    )
  })

  test('a result that does not cover the worst finding does not lower the severity', () => {
    fc.assert(
      fc.property(history, fc.record({ status, parameters }), (before, last) => {
        const worst = recordAfter(before)?.findings[0]
        if (!worst || coversParameters(last.parameters, worst.parameters ?? {})) return
        expect(severityOf([...before, last])).toBeGreaterThanOrEqual(worst.severity)
      }),
    )
  })

  test('only a pass that covers an EVICT clears it', () => {
    fc.assert(
      fc.property(history, fc.record({ status, parameters }), (before, last) => {
        const evicts = (recordAfter(before)?.findings ?? []).filter(
          ({ severity }) => severity === SEVERITY_EVICT,
        )
        fc.pre(evicts.length > 0 && severityOf([...before, last]) < SEVERITY_EVICT)
        expect(last.status).toBe('pass')
        expect(evicts.every((finding) => coversParameters(last.parameters, finding.parameters ?? {}))).toBe(
          true,
        )
      }),
      { numRuns: 500 },
    )
  })

  test('a reason is given if the last result has another severity; findings are bounded and sorted', () => {
    fc.assert(
      fc.property(history, (steps) => {
        const record = recordAfter(steps)
        if (!record) return
        const decided = record.findings[0]?.severity === severityOfResult(record.result!)
        expect(record.standingReason === '').toBe(record.findings.length === 0 || decided)
        expect(record.findings.length).toBeLessThanOrEqual(MAX_FINDINGS)
        const severities = record.findings.map(({ severity }) => severity)
        expect(severities).toEqual(severities.toSorted((a, b) => b - a))
        expect(record.severity).toBe(severities[0] ?? record.severity)
      }),
    )
  })
})

test('a node has the severity of its worst check, and is unknown rather than good', () => {
  const record = (each: SampleStatus) => addResult(undefined, checkResult('x', each), {}, minute(0))
  expect(worstSeverityOf([])).toBe(SEVERITY_UNSPECIFIED)
  expect(worstSeverityOf([record('pass'), record('skipped')])).toBe(SEVERITY_PASS)
  expect(worstSeverityOf([record('pass'), record('error')])).toBe(SEVERITY_UNSPECIFIED)
  expect(worstSeverityOf([record('evict'), record('error')])).toBe(SEVERITY_EVICT)
})
