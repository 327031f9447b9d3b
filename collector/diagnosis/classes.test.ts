import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createRandom } from '../topology/random.ts'
import { judgeRun } from './run-judgement.ts'
import { iperfResult, judgeNoisy, meshResults, nodeName } from './testing/model.ts'

const FAST = 57e6
const SLOW = 28.8e6
const seeds = fc.nat({ max: 1_000_000 })
/** The last three of eight nodes. */
const isSlow = (node: number) => node >= 5
const rate = (from: number, to: number) => (isSlow(from) || isSlow(to) ? SLOW : FAST)
const racks = new Map(Array.from({ length: 8 }, (_, node) => [nodeName(node), isSlow(node) ? 'r2' : 'r1']))

/** The mesh of eight nodes, three of them slower, with the link speeds that they report. */
const withSpeeds = (speedOf: (node: number) => number | undefined, seed = 1) => {
  const random = createRandom(seed)
  return meshResults(8, (from, to) =>
    iperfResult(from, to, rate(from, to) * (0.97 + 0.06 * random()), {
      sourceSpeedBitsPerSecond: speedOf(from),
      destinationSpeedBitsPerSecond: speedOf(to),
    }),
  )
}

describe('a slow class', () => {
  test('is one statement with the nodes and what they share, at a noise of 1 to 3 %', () => {
    fc.assert(
      fc.property(seeds, fc.double({ min: 0.001, max: 0.03, noNaN: true }), (seed, noise) => {
        const { judgement, verdicts } = judgeNoisy(8, rate, { seed, noise, racks })
        expect(verdicts).toMatchObject([
          {
            kind: 'class',
            nodes: ['node-6', 'node-7', 'node-8'],
            node: '',
            pairCount: 36,
            interface: 'net1',
          },
        ])
        expect(verdicts[0]!.message).toMatch(
          /^3 of 8 nodes reach 2\d\.\d Mbit\/s on net1, 5 reach 5\d\.\d Mbit\/s\. The slower ones are node-6, node-7, node-8\. Only these nodes have rack r2\.$/,
        )
        expect(judgement).toMatchObject({ state: 'bad', exitCode: 1, markedCount: 36 })
      }),
      { numRuns: 60 },
    )
  })

  test('says what only its nodes have: driver and firmware', () => {
    const facts = (node: number) => ({ driver: 'mlx5_core', firmwareVersion: isSlow(node) ? '20.1' : '22.3' })
    const interfaces = new Map(
      Array.from({ length: 8 }, (_, node) => [`${nodeName(node)} net1`, facts(node)] as const),
    )
    const { verdicts } = judgeNoisy(8, rate, { noise: 0.01, interfaces })
    expect(verdicts[0]!.message).toMatch(/Only these nodes have firmware 20\.1\.$/)
  })

  test('of more than half of the nodes is found', () => {
    const most = (from: number, to: number) => (from < 5 || to < 5 ? SLOW : FAST)
    const { verdicts } = judgeNoisy(8, most, { noise: 0.02 })
    expect(verdicts).toMatchObject([
      { kind: 'class', nodes: ['node-1', 'node-2', 'node-3', 'node-4', 'node-5'] },
    ])
    expect(verdicts[0]!.message).toMatch(/tell them apart\.$/)
  })

  test('does not hide a slow node of either class', () => {
    const rates = (from: number, to: number) => (from === 1 ? 3e6 : to === 6 ? 2e6 : rate(from, to))
    for (let seed = 0; seed < 20; seed++) {
      const { verdicts } = judgeNoisy(8, rates, { seed, noise: 0.02 })
      const named = verdicts.map(({ kind, node, direction }) => `${kind} ${node} ${direction}`).sort()
      expect(named).toEqual(['class  both', 'interface node-2 tx', 'interface node-7 rx'])
    }
  })

  test('that is slow in one direction is single nodes', () => {
    const oneWay = (from: number) => (isSlow(from) ? SLOW : FAST)
    const { verdicts } = judgeNoisy(8, oneWay, { noise: 0.02 })
    expect(verdicts.map(({ kind, node }) => `${kind} ${node}`).sort()).toEqual([
      'interface node-6',
      'interface node-7',
      'interface node-8',
    ])
  })
})

describe('reported link speeds', () => {
  test('that explain a slow class make it a note, and exit 0', () => {
    for (let seed = 0; seed < 30; seed++) {
      const results = withSpeeds((node) => (isSlow(node) ? 30e6 : 60e6), seed)
      const { judgement, verdicts, isMarked } = judgeRun({ results, requestedCount: 56, racks })
      expect(verdicts).toEqual([])
      expect(judgement).toMatchObject({ state: 'healthy', exitCode: 0, markedCount: 0 })
      expect(judgement.notes).toHaveLength(1)
      expect(judgement.notes[0]).toMatch(
        /: their links report 30\.0 Mbit\/s and 60\.0 Mbit\/s \(node-6, node-7, node-8\)\.$/,
      )
      expect(results.some(isMarked)).toBe(false)
    }
  })

  test.each([
    ['all the same', () => 100e6],
    ['unknown for some', (node: number) => (node === 0 ? undefined : 100e6)],
    ['different, but the slow ones reach a tenth of it', (node: number) => (isSlow(node) ? 288e6 : 60e6)],
  ])('that are %s leave it a verdict', (_, speedOf) => {
    const { judgement, verdicts } = judgeRun({ results: withSpeeds(speedOf), requestedCount: 56 })
    expect(verdicts).toMatchObject([{ kind: 'class', nodes: ['node-6', 'node-7', 'node-8'] }])
    expect(judgement.exitCode).toBe(1)
  })

  test('of one node alone explain nothing: its speed is wrong', () => {
    const results = meshResults(8, (from, to) =>
      iperfResult(from, to, from === 7 || to === 7 ? 9.4e6 : 57e6, {
        sourceSpeedBitsPerSecond: from === 7 ? 10e6 : 100e6,
        destinationSpeedBitsPerSecond: to === 7 ? 10e6 : 100e6,
      }),
    )
    expect(judgeRun({ results, requestedCount: 56 }).verdicts).toMatchObject([
      { kind: 'interface', node: 'node-8', direction: 'both' },
    ])
  })
})

test('nodes of all speeds are no classes', () => {
  for (let seed = 0; seed < 50; seed++) {
    const random = createRandom(seed)
    const speeds = Array.from({ length: 24 }, () => 0.25 + 0.75 * random())
    const rates = (from: number, to: number) => 1e9 * Math.min(speeds[from]!, speeds[to]!)
    expect(
      judgeNoisy(24, rates, { seed, noise: 0.02 }).verdicts.filter(({ kind }) => kind === 'class'),
    ).toEqual([])
  }
})
