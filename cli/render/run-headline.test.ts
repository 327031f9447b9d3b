import { describe, expect, test } from 'vitest'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { failedPair, iperfPair, judgementOf, meshOf, runOf, slowSender } from '../testing/run-samples.ts'
import { noPaint } from './paint.ts'
import { renderHeadline, runExitCode } from './run-headline.ts'

const COMPLETED = RunState.RUN_STATE_COMPLETED
const good = () => meshOf(4, (source, destination) => iperfPair(source, destination, 1e9))
const unreachable = () => failedPair('n1', 'n2', Outcome.OUTCOME_UNREACHABLE, 'no route')

describe('the judgement of the collector decides', () => {
  test.each([
    ['healthy', judgementOf('healthy', 'Healthy.'), 0],
    ['bad', judgementOf('bad', 'It is bad.'), 1],
    ['unclear', judgementOf('unclear', 'Unclear.'), 3],
    ['an unknown code of a newer collector', judgementOf('healthy', 'Healthy.', { exitCode: 77 }), 3],
    ['no judgement', undefined, 3],
  ])('the exit code: %s', (_name, judgement, code) => {
    expect(runExitCode(runOf(COMPLETED, { judgement }))).toBe(code)
  })

  test('the headline, whatever the pairs show', () => {
    const text = 'No fault among the 11 of 12 pairs that were observed.'
    const run = runOf(COMPLETED, { judgement: judgementOf('healthy', text) })
    expect(renderHeadline(run, [...good(), unreachable()], noPaint)).toEqual([
      text,
      '✘ 1 of 13 pairs could not be measured.',
      '  1 unreachable, n1 → n2 on net1: no route',
    ])
  })

  test('notes follow the headline', () => {
    const judgement = judgementOf('healthy', 'Healthy.', { notes: ['3 of 8 nodes reach 10 Mbit/s.'] })
    expect(renderHeadline(runOf(COMPLETED, { judgement }), good(), noPaint)).toEqual([
      'Healthy.',
      'Note: 3 of 8 nodes reach 10 Mbit/s.',
    ])
  })

  test('verdicts state the coverage when it is not complete', () => {
    const judgement = judgementOf('bad', 'n3 sends badly.', {
      coverage: { requestedCount: 12, observedCount: 9, unobserved: [], unobservedCount: 0 },
    })
    const lines = renderHeadline(runOf(COMPLETED, { judgement, verdicts: [slowSender()] }), good(), noPaint)
    expect(lines[0]).toBe('✘ n3 sends badly on net1: 48 Mbit/s where its peers reach 9.4 Gbit/s.')
    expect(lines.at(-1)).toBe('9 of 12 pairs were observed.')
  })
})
