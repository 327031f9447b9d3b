import { describe, expect, test } from 'vitest'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { failedPair, iperfPair, meshOf, runOf, slowSender } from '../testing/run-samples.ts'
import { noPaint } from './paint.ts'
import { renderHeadline, runExitCode } from './run-headline.ts'

const COMPLETED = RunState.RUN_STATE_COMPLETED
const good = () => meshOf(4, (source, destination) => iperfPair(source, destination, 1e9))
const unreachable = () => failedPair('n1', 'n2', Outcome.OUTCOME_UNREACHABLE, 'no route')

describe('exit codes', () => {
  test.each([
    ['everything measured, no verdict', runOf(COMPLETED), good(), 0],
    ['a verdict', runOf(COMPLETED, { verdicts: [slowSender()] }), good(), 1],
    [
      'a verdict, and pairs that could not be measured',
      runOf(COMPLETED, { verdicts: [slowSender()] }),
      [unreachable()],
      1,
    ],
    ['a pair without a value', runOf(COMPLETED), [...good(), unreachable()], 3],
    ['nothing measured', runOf(COMPLETED), [], 3],
    ['a cancelled run', runOf(RunState.RUN_STATE_CANCELLED), good(), 3],
    ['a run interrupted by the end of the collector', runOf(RunState.RUN_STATE_INTERRUPTED), good(), 3],
  ])('%s', (_name, run, pairs, code) => {
    expect(runExitCode(run, pairs)).toBe(code)
  })
})

test('a ring, which cannot name a culprit, is not called healthy', () => {
  const ring = [iperfPair('n1', 'n2', 1e9), iperfPair('n2', 'n1', 1e9)]
  expect(renderHeadline(runOf(COMPLETED), ring, noPaint)).toEqual([
    'No pair stands out among 2 nodes and 2 interfaces. Only a mesh of 4 or more nodes can name a culprit.',
  ])
})
