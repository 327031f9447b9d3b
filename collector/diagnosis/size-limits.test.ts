import { describe, expect, test } from 'vitest'
import type { PairResult } from '../dispatch/pair-result.ts'
import { pairKey } from '../inventory/keys.ts'
import { judgeRun } from './run-judgement.ts'
import { pairsToSweep } from './size-limits.ts'
import { failedResult, iperfResult, meshResults, nodeName } from './testing/model.ts'

const GOOD = 800e6
const BAD = 1

type Stalls = (from: number, to: number) => boolean

const meshWith = (count: number, stalls: Stalls, stalled = failedResult): PairResult[] =>
  meshResults(count, (from, to) => (stalls(from, to) ? stalled(from, to) : iperfResult(from, to, GOOD)))

/** Sweeps the pairs that are chosen for it; each has this limit. */
const sweepAndJudge = (results: PairResult[], bytes: number | undefined, reversed = false) => {
  const swept = pairsToSweep(results, reversed)
  const sizeLimits = new Map(
    swept.flatMap(({ source, destination }) =>
      bytes === undefined ? [] : [[pairKey(source, destination), bytes] as const],
    ),
  )
  return judgeRun({ results, requestedCount: results.length, sizeLimits, reversed })
}

const sends: Stalls = (from) => from === BAD
const receives: Stalls = (_, to) => to === BAD
const both: Stalls = (from, to) => from === BAD || to === BAD

describe('an interface that loses large packets', () => {
  test.each<[string, Stalls, string, string, number]>([
    ['that it sends', sends, 'tx', 'sends', 7],
    ['that it receives', receives, 'rx', 'receives', 7],
    ['in both directions', both, 'both', 'sends and receives', 14],
  ])('%s', (_, stalls, direction, verb, count) => {
    const { verdicts, judgement } = sweepAndJudge(meshWith(8, stalls), 1000)
    expect(verdicts).toEqual([
      expect.objectContaining({ kind: 'interface', node: nodeName(BAD), interface: 'net1', direction }),
    ])
    expect(verdicts[0]!.message).toMatch(
      new RegExp(
        `^${nodeName(BAD)} ${verb} nothing larger than 1,000 bytes on net1\\. Small pings pass; ${count} pairs`,
      ),
    )
    expect(judgement).toMatchObject({ exitCode: 1, markedCount: count })
  })

  test('is named with two peers, which is too few for a culprit by comparison', () => {
    const { verdicts } = sweepAndJudge(meshWith(3, sends), 1000)
    expect(verdicts).toEqual([
      expect.objectContaining({ kind: 'interface', node: nodeName(BAD), direction: 'tx', pairCount: 2 }),
    ])
  })

  test('stalls with next to no rate', () => {
    const { verdicts } = sweepAndJudge(
      meshWith(8, sends, (from, to) => iperfResult(from, to, 20e3)),
      1000,
    )
    expect(verdicts.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^node-2 sends nothing larger than 1,000 bytes/),
    ])
  })

  test('is the sender of the payload in a reversed test', () => {
    const { verdicts } = sweepAndJudge(meshWith(8, receives), 1000, true)
    expect(verdicts).toEqual([expect.objectContaining({ node: nodeName(BAD), direction: 'tx' })])
  })
})

test('one pair with a limit is a link', () => {
  const { verdicts } = sweepAndJudge(
    meshWith(8, (from, to) => from === 2 && to === 5),
    1400,
  )
  expect(verdicts).toEqual([
    expect.objectContaining({ kind: 'link', node: nodeName(2), peer: nodeName(5), direction: 'tx' }),
  ])
  expect(verdicts[0]!.message).toMatch(
    /^Nothing larger than 1,400 bytes passes from node-3 to node-6 on net1\. Small pings pass; 1 pair with large packets fails\./,
  )
})

test('two of seven pairs of an interface, or the one pair of two nodes, name links and no interface', () => {
  const few = sweepAndJudge(
    meshWith(8, (from, to) => from === 2 && to > 5),
    1400,
  )
  expect(few.verdicts.map(({ kind, peer }) => [kind, peer])).toEqual([
    ['link', nodeName(6)],
    ['link', nodeName(7)],
  ])
  const two = sweepAndJudge(meshWith(2, sends), 1400)
  expect(two.verdicts.map(({ kind, peer }) => [kind, peer])).toEqual([['link', nodeName(0)]])
})

test('without a limit the pairs are judged as before', () => {
  const { verdicts } = sweepAndJudge(meshWith(8, both), undefined)
  expect(verdicts.map(({ message }) => message)).toEqual([expect.stringMatching(/^node-2 cannot be reached/)])
})

test('a few pairs of each interface are swept, of all stalled ones at most 8', () => {
  const swept = pairsToSweep(
    meshWith(20, () => true),
    false,
  )
  expect(swept).toHaveLength(8)
  expect(
    pairsToSweep(
      meshWith(8, () => false),
      false,
    ),
  ).toEqual([])
})
