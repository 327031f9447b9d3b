import { describe, expect, test } from 'vitest'
import { recording } from '../testing/machine.ts'
import { parseDcgm } from './output.ts'

const summary = (path: string) =>
  parseDcgm(recording(path))?.tests.map(({ name, results }) => [
    name,
    ...results.map(({ gpus, status }) => `${gpus.join('+')} ${status}`),
  ])

describe('dcgmi diag -j', () => {
  test('3.1 with a message in front, GPU ids as text and as numbers', () => {
    const report = parseDcgm(recording('dcgm/3.1-pass.txt'))!
    expect(report.version).toBe('3.1.0')
    expect(report.tests).toHaveLength(10)
    expect(report.tests[0]).toEqual({
      category: 'Deployment',
      name: 'Denylist',
      results: [{ gpus: ['0', '1', '2', '3', '4', '5', '6', '7'], status: 'pass', warnings: [] }],
    })
    expect(report.tests.at(-1)!.results[7]).toEqual({ gpus: ['7'], status: 'pass', warnings: [] })
  })

  test('3.3: finds the failure of one GPU although GPU 0 passes', () => {
    expect(summary('dcgm/3.3-pcie.txt')).toContainEqual([
      'PCIe',
      ...[0, 1, 2].map((gpu) => `${gpu} pass`),
      '3 fail',
      ...[4, 5, 6, 7].map((gpu) => `${gpu} pass`),
    ])
  })

  test('4.2.3 of a GB10: a failure with its warning, and skips', () => {
    const report = parseDcgm(recording('dcgm/4.2.3-gb10-level2.txt'))!
    expect(report.version).toBe('4.2.3')
    expect(summary('dcgm/4.2.3-gb10-level2.txt')).toEqual([
      ['software', '0 fail'],
      ['memory', '0 skip'],
      ['pcie', '0 skip'],
    ])
    expect(report.tests[0]!.results[0]!.warnings[0]).toMatch(/^Persistence Mode: /)
  })

  test('a failed summary counts where no GPU has failed', () => {
    const text = JSON.stringify({
      'DCGM Diagnostic': {
        test_categories: [
          { category: 'Hardware', tests: [{ name: 'eud', results: [], test_summary: { status: 'Fail' } }] },
        ],
      },
    })
    expect(parseDcgm(text)!.tests[0]!.results).toEqual([{ gpus: [], status: 'fail', warnings: [] }])
  })

  test('an unknown status is not a pass', () => {
    const text = recording('dcgm/4.2.3-gb10-level1.txt').replaceAll('"Fail"', '"Inconclusive"')
    expect(parseDcgm(text)!.tests[0]!.results[0]!.status).toBe('unknown')
  })

  test.each([
    recording('dcgm/4.2-cut.txt'),
    recording('dcgm/no-hostengine.txt'),
    '',
    '{}',
    '{"DCGM Diagnostic": 3}',
    '{'.repeat(100_000),
  ])('incomplete or other output is no report', (text) => {
    expect(parseDcgm(text)).toBeUndefined()
  })
})
