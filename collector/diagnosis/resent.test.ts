import { describe, expect, test } from 'vitest'
import { IperfResult } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { PairResult } from '../dispatch/pair-result.ts'
import { createRandom, type Random } from '../topology/random.ts'
import { betterResult } from './better-result.ts'
import { diagnose } from './diagnosis.ts'
import { judgeRun } from './run-judgement.ts'
import { iperfResult } from './testing/model.ts'

const SEGMENT_BYTES = 1448
const SEGMENTS = 10_000

/** Returns the ratio of segments that a pair sends again in one test. */
type Resent = (source: number, destination: number) => number

const measured = (source: number, destination: number, ratio: number, isUdp = false): PairResult => {
  const figures = isUdp
    ? { lossRatio: ratio }
    : { retransmitCount: Math.round(ratio * SEGMENTS), sentBytes: SEGMENTS * SEGMENT_BYTES }
  const values = IperfResult.fromPartial({
    outcome: Outcome.OUTCOME_MEASURED,
    bitsPerSecond: 57e6,
    ...figures,
  })
  return iperfResult(source, destination, 57e6, { values: { kind: 'iperf', ...values } })
}

/** Runs a mesh with its retests. */
const run = (count: number, resent: Resent, isUdp = false) => {
  const results = new Map<string, PairResult>()
  const index = (name: string) => Number(name.slice(5)) - 1
  for (let source = 0; source < count; source++)
    for (let destination = 0; destination < count; destination++)
      if (source !== destination)
        results.set(
          `${source} ${destination}`,
          measured(source, destination, resent(source, destination), isUdp),
        )
  for (let round = 0; round < 2; round++) {
    for (const pair of diagnose({ results: [...results.values()] }).suspects) {
      const [source, destination] = [index(pair.source.node), index(pair.destination.node)]
      const key = `${source} ${destination}`
      const again = measured(source, destination, resent(source, destination), isUdp)
      results.set(key, betterResult(results.get(key)!, again))
    }
  }
  const all = [...results.values()]
  return judgeRun({ results: all, requestedCount: all.length })
}

/** Healthy links, with the retransmits that a queue of a shaped link causes: some tests have a burst of them. */
const healthy = (random: Random, bursts: number, size: number): Resent => {
  return () => 0.001 * random() + (random() < bursts ? size * random() : 0)
}

describe('retransmits', () => {
  test('a healthy fleet is healthy in 300 trials, shaped or not', () => {
    const random = createRandom(1)
    let accused = 0
    for (let trial = 0; trial < 300; trial++) {
      const usual = healthy(random, 0.6 * random(), 0.08 * random())
      if (run(4 + Math.floor(8 * random()), usual).judgement.state !== 'healthy') accused++
    }
    expect(accused).toBe(0)
  })

  test('a node that loses 5 % one way is named with the figure in 100 trials', () => {
    const random = createRandom(2)
    for (let trial = 0; trial < 100; trial++) {
      const usual = healthy(random, 0.1, 0.008)
      const direction = random() < 0.5 ? 'tx' : 'rx'
      const { verdicts } = run(4 + Math.floor(8 * random()), (source, destination) =>
        (direction === 'tx' ? source : destination) === 1
          ? 0.04 + 0.02 * random()
          : usual(source, destination),
      )
      expect(verdicts).toMatchObject([{ node: 'node-2', direction }])
      expect(verdicts[0]!.message).toMatch(
        /it retransmits [45]\.\d % of its segments where its peers retransmit 0/,
      )
    }
  })

  test('UDP loss of a node is named; the same loss everywhere is not', () => {
    const random = createRandom(3)
    const lossy = run(6, (source) => (source === 2 ? 0.05 : 0.001 * random()), true)
    expect(lossy.verdicts[0]!.message).toMatch(
      /^node-3 loses packets that it sends on net1: it loses 5\.0 % of its datagrams/,
    )
    expect(run(6, () => 0.3 + 0.2 * random(), true).judgement.state).toBe('healthy')
  })

  test('a single lossy path is named', () => {
    const { verdicts } = run(8, (source, destination) => (source === 0 && destination === 1 ? 0.05 : 0.0005))
    expect(verdicts).toMatchObject([{ kind: 'link', node: 'node-1', peer: 'node-2' }])
    expect(verdicts[0]!.message).toContain('retransmits 5.0 % of its segments')
  })
})
