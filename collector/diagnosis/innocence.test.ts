import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { PairResult } from '../dispatch/pair-result.ts'
import { createRandom, shuffle } from '../topology/random.ts'
import { shiftPairs } from '../topology/topology.ts'
import { diagnose } from './diagnosis.ts'
import { failedResult, iperfResult, meshResults, messages, nodeName, retried } from './testing/model.ts'

const GOOD = 941e6
const BAD = 48e6

describe('there is no verdict', () => {
  test('from a ring alone', () => {
    const { sources, destinations } = shiftPairs(8, [1])
    const results = [...sources].map((source, pair) =>
      retried(iperfResult(source, destinations[pair]!, source === 3 ? BAD : GOOD)),
    )
    expect(messages(results)).toEqual([])
  })

  test('from results that are INVALID or NOT_RUN', () => {
    for (const outcome of [Outcome.OUTCOME_INVALID, Outcome.OUTCOME_NOT_RUN]) {
      const results = meshResults(6, (from, to) => ({
        ...iperfResult(from, to, from === 2 ? BAD : GOOD),
        ...(from === 2 && { outcome }),
      }))
      expect(diagnose({ results })).toMatchObject({ verdicts: [], suspects: [], unexplained: [] })
    }
  })

  test('when everything fails, or nothing was measured', () => {
    expect(messages(meshResults(6, (from, to) => failedResult(from, to, 2)))).toEqual([])
    expect(diagnose({ results: [] })).toMatchObject({ verdicts: [], suspects: [], unexplained: [] })
  })

  test('from noise of 15 %', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 20 }), fc.nat(), (count, seed) => {
        const random = createRandom(seed)
        const results = meshResults(count, (from, to) =>
          iperfResult(from, to, GOOD * (0.85 + 0.3 * random())),
        )
        expect(diagnose({ results })).toMatchObject({ verdicts: [], suspects: [], unexplained: [] })
      }),
      { numRuns: 100 },
    )
  })
})

describe('properties', () => {
  /** A mesh in which some directions of some nodes (by number) are bad. */
  const faulty = (count: number, tx: ReadonlySet<number>, rx: ReadonlySet<number>) =>
    meshResults(count, (from, to) => iperfResult(from, to, tx.has(from) || rx.has(to) ? BAD : GOOD))

  const accused = (results: PairResult[]): string[] =>
    diagnose({ results })
      .verdicts.map(({ kind, node, peer, direction }) => `${kind} ${node} ${peer} ${direction}`)
      .sort()

  test('neither the names nor the order of the results change the verdicts', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 8, max: 24 }),
        fc.uniqueArray(fc.nat({ max: 7 }), { maxLength: 2 }),
        fc.uniqueArray(fc.nat({ max: 7 }), { maxLength: 2 }),
        fc.nat(),
        (count, tx, rx, seed) => {
          const random = createRandom(seed)
          const renamed = shuffle(
            Int32Array.from({ length: count }, (_, index) => index),
            random,
          )
          const nameOf = (node: string) => nodeName(renamed[Number(node.slice('node-'.length)) - 1]!)
          const results = faulty(count, new Set(tx), new Set(rx))
          const others = results.map((result) => ({
            ...result,
            source: { ...result.source, node: nameOf(result.source.node) },
            destination: { ...result.destination, node: nameOf(result.destination.node) },
          }))
          const order = shuffle(Int32Array.from(others.keys()), random)
          const expected = accused(results)
            .map((text) => text.replace(/node-\d+/, nameOf))
            .sort()
          expect(accused([...order].map((index) => others[index]!))).toEqual(expected)
        },
      ),
      { numRuns: 60 },
    )
  })

  test('few faults in a large mesh are named exactly', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.nat({ max: 29 }), { maxLength: 4 }),
        fc.uniqueArray(fc.nat({ max: 29 }), { maxLength: 4 }),
        (tx, rx) => {
          const expected = [...new Set([...tx, ...rx])].map((node) => {
            const direction = tx.includes(node) ? (rx.includes(node) ? 'both' : 'tx') : 'rx'
            return `${'interface'} ${nodeName(node)}  ${direction}`
          })
          expect(accused(faulty(30, new Set(tx), new Set(rx)))).toEqual(expected.sort())
        },
      ),
      { numRuns: 60 },
    )
  })
})
