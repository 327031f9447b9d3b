import { describe, expect, test } from 'vitest'
import { createRandom } from '../topology/random.ts'
import { diagnose } from './diagnosis.ts'
import { failedResult, iperfResult, meshResults, messages, retried } from './testing/model.ts'

const GOOD = 941e6
const BAD = 48e6

describe('links', () => {
  const isIt = (from: number, to: number) => from + to === 1

  test('names a path that stays bad between two good nodes', () => {
    const results = meshResults(6, (from, to) =>
      isIt(from, to) ? failedResult(from, to, 2) : iperfResult(from, to, GOOD),
    )
    expect(diagnose({ results }).verdicts).toMatchObject([
      {
        kind: 'link',
        node: 'node-1',
        peer: 'node-2',
        direction: 'both',
        message:
          'The path between node-1 and node-2 is bad on net1: both ways fail. Both nodes do well with others. Reason given: no route to host. Retested on new ports: the same.',
      },
    ])
  })

  test('names one direction of a path', () => {
    const results = meshResults(8, (from, to) =>
      from === 0 && to === 1 ? retried(iperfResult(from, to, BAD)) : iperfResult(from, to, GOOD),
    )
    expect(messages(results)).toEqual([
      'The path from node-1 to node-2 is bad on net1: 48.0 Mbit/s where others have 941 Mbit/s. Both nodes do well with others. Retested on new ports: the same.',
    ])
  })

  test('a path is only a suspect before the retest', () => {
    const results = meshResults(6, (from, to) => iperfResult(from, to, isIt(from, to) ? BAD : GOOD))
    const { verdicts, suspects } = diagnose({ results })
    expect(verdicts).toEqual([])
    expect(suspects.map(({ source, destination }) => [source.node, destination.node])).toEqual([
      ['node-1', 'node-2'],
      ['node-2', 'node-1'],
    ])
  })

  test('no path is accused when many pairs recover in a retest, which shows collisions', () => {
    const random = createRandom(3)
    const results = meshResults(40, (from, to) => {
      const again = random() < 0.1
      const rate = again && random() < 0.1 ? GOOD / 2 : GOOD
      return again ? retried(iperfResult(from, to, rate)) : iperfResult(from, to, rate)
    })
    expect(
      results.filter(({ values }) => values?.kind === 'iperf' && values.bitsPerSecond! < GOOD).length,
    ).toBeGreaterThan(5)
    expect(messages(results)).toEqual([])
  })
})
