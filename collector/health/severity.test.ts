import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type CheckRecord, Severity } from '#proto/meshgauge/collector/v1/health.ts'
import { covers, type Parameters } from './coverage.ts'
import { forget, MAX_FINDINGS, remember, verdictOf, worstOf } from './severity.ts'
import { checkResult, type Said } from './testing/samples.ts'

const { SEVERITY_UNSPECIFIED, SEVERITY_PASS, SEVERITY_WARN, SEVERITY_FAIL, SEVERITY_EVICT } = Severity

type Step = { said: Said; parameters: Parameters }

const minute = (index: number) => new Date(Date.UTC(2026, 0, 1, 0, index))
const recordAfter = (steps: readonly Step[]): CheckRecord | undefined =>
  steps.reduce<CheckRecord | undefined>(
    (record, { said, parameters }, index) =>
      remember(record, checkResult('dcgm', said), parameters, minute(index)),
    undefined,
  )
const step = (said: Said, level = 1): Step => ({ said, parameters: { level } })

describe('a worse verdict is not painted over', () => {
  test.each<[string, Step[], Severity]>([
    ['a pass after a FAIL of the same level clears it', [step('fail'), step('pass')], SEVERITY_PASS],
    ['a heavier pass clears it', [step('fail'), step('pass', 3)], SEVERITY_PASS],
    ['a lighter pass does not', [step('fail', 3), step('pass')], SEVERITY_FAIL],
    ['nor does it clear a WARN', [step('warn', 2), step('pass')], SEVERITY_WARN],
    ['a WARN of the same level takes the place of a FAIL', [step('fail'), step('warn')], SEVERITY_WARN],
    ['a WARN does not clear an EVICT', [step('evict'), step('warn')], SEVERITY_EVICT],
    ['nor does a FAIL', [step('evict'), step('fail')], SEVERITY_EVICT],
    ['a pass of the same level clears an EVICT', [step('evict', 3), step('pass', 3)], SEVERITY_PASS],
    ['a lighter one does not', [step('evict', 3), step('pass', 2)], SEVERITY_EVICT],
    ['an ERROR clears nothing', [step('evict'), step('error', 4)], SEVERITY_EVICT],
    ['nor does SKIPPED', [step('fail'), step('skipped', 4)], SEVERITY_FAIL],
    ['an ERROR alone is not known', [step('error')], SEVERITY_UNSPECIFIED],
    ['an ERROR after a pass worsens nothing', [step('pass'), step('error')], SEVERITY_PASS],
    ['SKIPPED alone is as good as a pass', [step('skipped')], SEVERITY_PASS],
    [
      'a light FAIL and its pass leave the heavy finding',
      [step('fail', 3), step('fail'), step('pass')],
      SEVERITY_FAIL,
    ],
  ])('%s', (_name, steps, severity) => {
    expect(recordAfter(steps)!.severity).toBe(severity)
  })

  test('what still stands and what clears it is said in words', () => {
    const record = recordAfter([step('evict', 3), step('pass')])!
    expect(record.standingReason).toBe(
      'EVICT of level 3 found at 2026-01-01T00:00:00.000Z stands (dcgm says evict); ' +
        'cleared when dcgm passes at level 3 or higher, or by "meshgauge health clear"',
    )
    expect(recordAfter([step('evict', 3)])!.standingReason).toBe('')
    expect(recordAfter([step('evict', 3), step('pass', 3)])!.standingReason).toBe('')
    const other = recordAfter([
      { said: 'fail', parameters: { speed: '100G', interfaces: ['net0'] } },
      { said: 'pass', parameters: {} },
    ])!
    expect(other.standingReason).toContain(
      'cleared when dcgm passes with speed="100G" interfaces=["net0"], or by',
    )
  })

  test('clearing forgets, and keeps the last result', () => {
    const record = recordAfter([step('evict', 3), step('pass')])!
    expect(forget(record)).toMatchObject({ severity: SEVERITY_PASS, standingReason: '', findings: [] })
    expect(forget(record).result).toBe(record.result)
  })
})

describe('what covers what', () => {
  test.each<[Parameters, Parameters, boolean]>([
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
  ])('%j after %j: %s', (later, earlier, expected) => {
    expect(covers(later, earlier)).toBe(expected)
  })
})

const said = fc.constantFrom<Said[]>('pass', 'warn', 'fail', 'evict', 'skipped', 'error')
const parameters = fc.oneof(
  fc.record({ level: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ interfaces: fc.subarray(['net0', 'net1'], { minLength: 1 }) }),
  fc.record({ speed: fc.constantFrom('10G', '25G', '100G', '200G', '400G', '1G', '2G', '3G', '4G', '5G') }),
  fc.constant({}),
)
const history = fc.array(fc.record({ said, parameters }), { maxLength: 40 })

describe('whatever happened before', () => {
  const severityOf = (steps: readonly Step[]) => recordAfter(steps)?.severity ?? SEVERITY_UNSPECIFIED

  test('the severity is never less than the last verdict says', () => {
    fc.assert(
      fc.property(history, fc.record({ said, parameters }), (before, last) => {
        const verdict = verdictOf(checkResult('dcgm', last.said)) ?? SEVERITY_UNSPECIFIED
        expect(severityOf([...before, last])).toBeGreaterThanOrEqual(verdict)
      }),
    )
  })

  test('ERROR and SKIPPED neither clear nor worsen', () => {
    fc.assert(
      fc.property(history, parameters, (before, asked) => {
        const previous = recordAfter(before)
        for (const word of ['error', 'skipped'] as const) {
          const record = remember(previous, checkResult('dcgm', word), asked, minute(99))
          expect(record.findings).toEqual(previous?.findings ?? [])
          if (previous && previous.severity > SEVERITY_PASS) expect(record.severity).toBe(previous.severity)
          else expect(record.severity).toBeLessThanOrEqual(SEVERITY_PASS)
        }
      }),
    )
  })

  test('a result that does not cover the worst finding does not lower the severity', () => {
    fc.assert(
      fc.property(history, fc.record({ said, parameters }), (before, last) => {
        const worst = recordAfter(before)?.findings[0]
        if (!worst || covers(last.parameters, worst.parameters ?? {})) return
        expect(severityOf([...before, last])).toBeGreaterThanOrEqual(worst.severity)
      }),
    )
  })

  test('an EVICT goes only by a pass that covers it', () => {
    fc.assert(
      fc.property(history, fc.record({ said, parameters }), (before, last) => {
        const evicts = (recordAfter(before)?.findings ?? []).filter(
          ({ severity }) => severity === SEVERITY_EVICT,
        )
        fc.pre(evicts.length > 0 && severityOf([...before, last]) < SEVERITY_EVICT)
        expect(last.said).toBe('pass')
        expect(evicts.every((finding) => covers(last.parameters, finding.parameters ?? {}))).toBe(true)
      }),
      { numRuns: 500 },
    )
  })

  test('a reason stands exactly when the last verdict is not the severity; findings are bounded and sorted', () => {
    fc.assert(
      fc.property(history, (steps) => {
        const record = recordAfter(steps)
        if (!record) return
        const decided = record.findings[0]?.severity === verdictOf(record.result!)
        expect(record.standingReason === '').toBe(record.findings.length === 0 || decided)
        expect(record.findings.length).toBeLessThanOrEqual(MAX_FINDINGS)
        const severities = record.findings.map(({ severity }) => severity)
        expect(severities).toEqual(severities.toSorted((a, b) => b - a))
        expect(record.severity).toBe(severities[0] ?? record.severity)
      }),
    )
  })
})

test('a node is as bad as its worst check, and unknown rather than good', () => {
  const record = (word: Said) => remember(undefined, checkResult('x', word), {}, minute(0))
  expect(worstOf([])).toBe(SEVERITY_UNSPECIFIED)
  expect(worstOf([record('pass'), record('skipped')])).toBe(SEVERITY_PASS)
  expect(worstOf([record('pass'), record('error')])).toBe(SEVERITY_UNSPECIFIED)
  expect(worstOf([record('evict'), record('error')])).toBe(SEVERITY_EVICT)
})
