import { describe, expect, test } from 'vitest'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { PairResult } from '../dispatch/pair-result.ts'
import type { LocalEvidence, LocalProblem } from './local-evidence.ts'
import { judgeRun, type RunEvidence } from './run-judgement.ts'
import { failedResult, iperfResult, meshResults, nodeName, pingResult } from './testing/model.ts'

const COUNT = 6
const BAD = 2

const evidenceOf = (problem: LocalProblem, more: Partial<LocalEvidence> = {}): LocalEvidence => ({
  problem,
  node: nodeName(BAD),
  interfaces: ['net1'],
  text: `${nodeName(BAD)} net1 has a problem`,
  ...more,
})

const judge = (results: PairResult[], local: LocalEvidence[], more: Partial<RunEvidence> = {}) =>
  judgeRun({ results, requestedCount: results.length, local, ...more })

/** All pairs from and to the bad node fail. */
const cutOff = (fail = failedResult) =>
  meshResults(COUNT, (from, to) =>
    from === BAD || to === BAD ? fail(from, to) : iperfResult(from, to, 800e6),
  )

const refused = (from: number, to: number): PairResult => ({
  ...failedResult(from, to),
  outcome: Outcome.OUTCOME_NOT_RUN,
})

describe('pairs that fail', () => {
  test.each<LocalProblem>(['down', 'outside_network', 'prefix_length', 'shared_network', 'mtu'])(
    'are explained by local evidence of kind %s',
    (problem) => {
      const { verdicts, judgement, isMarked } = judge(cutOff(), [evidenceOf(problem, { maxBytes: 1500 })])
      expect(verdicts).toHaveLength(1)
      expect(verdicts[0]).toMatchObject({
        kind: 'interface',
        node: nodeName(BAD),
        interface: 'net1',
        message: `${nodeName(BAD)} net1 has a problem. 10 of its 10 pairs fail.`,
        pairCount: 10,
      })
      expect(judgement).toMatchObject({ exitCode: 1, markedCount: 10, notes: [] })
      expect(isMarked(failedResult(BAD, 0))).toBe(true)
      expect(isMarked(failedResult(0, 1))).toBe(false)
    },
  )

  test('of small packets are not explained by an MTU, which the verdict states', () => {
    const { verdicts } = judge(cutOff(), [evidenceOf('mtu', { maxBytes: 1500 })], { packetBytes: 84 })
    expect(verdicts.map(({ message }) => message)).toEqual([
      expect.stringMatching(/cannot be reached.*The agent reports: node-3 net1 has a problem\.$/),
    ])
  })

  test('were refused by agents because of the address', () => {
    const tried = cutOff((from, to) => ({ ...refused(from, to), attemptCount: 1 }))
    expect(judge(tried, [evidenceOf('outside_network')]).judgement).toMatchObject({
      exitCode: 1,
      markedCount: 10,
    })
    const untried = cutOff((from, to) => ({ ...refused(from, to), attemptCount: 0 }))
    expect(judge(untried, [evidenceOf('outside_network')]).verdicts).toEqual([])
  })

  test('of another node are not explained', () => {
    const results = meshResults(COUNT, (from, to) =>
      from === 4 || to === 4 ? failedResult(from, to, 2) : iperfResult(from, to, 800e6),
    )
    const { verdicts, judgement } = judge(results, [evidenceOf('shared_network')])
    expect(verdicts.map(({ node }) => node)).toEqual([nodeName(4)])
    expect(judgement.notes).toEqual([`${nodeName(BAD)} net1 has a problem.`])
  })
})

test('a duplicate address explains pairs that could not be measured, for both of its nodes', () => {
  const results = meshResults(COUNT, (from, to) =>
    [from, to].some((node) => node < 2)
      ? { ...failedResult(from, to, 0), outcome: Outcome.OUTCOME_INVALID }
      : iperfResult(from, to, 800e6),
  )
  const local = [0, 1].map((node) =>
    evidenceOf('duplicate_address', { node: nodeName(node), text: `${nodeName(node)} has the address` }),
  )
  const { verdicts, judgement } = judge(results, local)
  expect(verdicts.map(({ node, pairCount }) => [node, pairCount])).toEqual([
    [nodeName(0), 10],
    [nodeName(1), 10],
  ])
  expect(judgement.markedCount).toBe(18)
})

test('local evidence that breaks nothing is a note, and many of one kind are one note', () => {
  const results = meshResults(COUNT, (from, to) => pingResult(from, to, 0, 10))
  const local = Array.from({ length: 5 }, (_, node) =>
    evidenceOf('mtu', { node: nodeName(node), text: `note ${node}`, maxBytes: 1500 }),
  )
  const { judgement } = judge(results, local)
  expect(judgement).toMatchObject({
    exitCode: 0,
    notes: ['note 0. note 1. note 2. The same kind of problem is reported 2 more times.'],
  })
})

test('a low link speed is added to the verdict on a slow interface', () => {
  const results = meshResults(COUNT, (from, to) =>
    iperfResult(from, to, from === BAD || to === BAD ? 100e6 : 800e6, { attemptCount: 2 }),
  )
  const { verdicts } = judge(results, [evidenceOf('speed')])
  expect(verdicts.map(({ message }) => message)).toEqual([
    expect.stringMatching(/sends and receives badly.*The agent reports: node-3 net1 has a problem\.$/),
  ])
})
