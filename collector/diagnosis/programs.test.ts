import { describe, expect, test } from 'vitest'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { PairResult } from '../dispatch/pair-result.ts'
import { judgeRun } from './run-judgement.ts'
import { iperfResult, meshResults, nodeName } from './testing/model.ts'

const judge = (results: PairResult[]) => judgeRun({ results, requestedCount: results.length })

const good = (count: number) => meshResults(count, (from, to) => iperfResult(from, to, 800e6))

describe('programs', () => {
  const hangs = { node: 'node-4', program: 'iperf3', problem: 'hangs: it printed no line within 3 s' }
  const invalid = (result: PairResult, programFault: PairResult['programFault']): PairResult => ({
    ...result,
    outcome: Outcome.OUTCOME_INVALID,
    reason: 'iperf3 of node-4 hangs',
    programFault,
  })

  test('a client that hangs is a fault of that program, and of no peer', () => {
    const results = good(6).map((result) =>
      result.source.node === 'node-4' ? invalid({ ...result, values: undefined }, hangs) : result,
    )
    const { judgement, verdicts, isMarked } = judge(results)
    expect(verdicts).toMatchObject([
      { kind: 'program', node: 'node-4', program: 'iperf3', interface: '', peer: '', pairCount: 5 },
    ])
    expect(verdicts[0]!.message).toBe(
      'iperf3 of node-4 hangs: it printed no line within 3 s. 5 of 10 pairs of this node are invalid. This is a fault of the program: no peer and no link is blamed.',
    )
    expect(judgement).toMatchObject({ state: 'bad', exitCode: 1, markedCount: 0 })
    expect(results.some(isMarked)).toBe(false)
  })

  test('a host without processor time is no evidence about the network, also where its tests were not affected', () => {
    const starved = {
      node: 'node-4',
      program: 'CPU',
      problem: 'could not keep up: it waited for a processor 90 % of the time',
    }
    const isSlow = (from: number, to: number) => [nodeName(from), nodeName(to)].includes('node-4')
    const slow = meshResults(6, (from, to) => iperfResult(from, to, isSlow(from, to) ? 100e6 : 800e6))
    const results = slow.map((result) =>
      result.source.node === 'node-4' ? invalid(result, starved) : result,
    )
    const { verdicts, isMarked } = judge(results)
    expect(verdicts).toMatchObject([{ kind: 'program', node: 'node-4', program: 'CPU' }])
    expect(verdicts[0]!.message).toMatch(
      /^CPU of node-4 could not keep up.* This is a fault of the host: no peer/,
    )
    expect(results.some(isMarked)).toBe(false)
  })

  test('counts that differ accuse the program that all wrong pairs share', () => {
    const wrong = { node: '', program: 'iperf3', problem: 'reports what cannot be true: 573 Mbit/s' }
    const results = good(6).map((result) =>
      result.source.node === 'node-4' || result.destination.node === 'node-4'
        ? invalid(result, wrong)
        : result,
    )
    expect(judge(results).verdicts).toMatchObject([{ kind: 'program', node: 'node-4', pairCount: 10 }])
  })

  test('one pair that differs accuses nobody, and is not observed', () => {
    const wrong = { node: '', program: 'iperf3', problem: 'reports what cannot be true: 573 Mbit/s' }
    const results = good(6).map((result, index) => (index === 0 ? invalid(result, wrong) : result))
    const { judgement, verdicts } = judge(results)
    expect(verdicts).toEqual([])
    expect(judgement.coverage).toMatchObject({ observedCount: 29, requestedCount: 30 })
    expect(
      judge([invalid(results[0]!, { ...hangs, node: nodeName(0) }), ...results.slice(1)]).verdicts,
    ).toEqual([])
  })
})
