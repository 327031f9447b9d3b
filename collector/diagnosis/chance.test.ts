import { describe, expect, test } from 'vitest'
import { judgeRun } from './run-judgement.ts'
import { failedResult, iperfResult, meshResults } from './testing/model.ts'

const GOOD = 941e6

/** A mesh of 8 nodes: some pairs recovered in a retest, and one is bad in every attempt. */
const withRecovered = (count: number, bad: (attemptCount: number) => ReturnType<typeof iperfResult>) => {
  let recovered = 0
  return meshResults(8, (from, to) => {
    if (from === 0 && to === 1) return bad(3)
    const isRecovered = recovered < count && from !== 0 && to !== 1
    if (isRecovered) recovered++
    return iperfResult(from, to, GOOD, { attemptCount: isRecovered ? 2 : 1 })
  })
}

const kindsOf = (results: ReturnType<typeof withRecovered>) =>
  judgeRun({ results, requestedCount: results.length }).verdicts.map(({ kind }) => kind)

describe('a pair that is bad in every attempt', () => {
  const half = (attemptCount: number) => iperfResult(0, 1, 0.5 * GOOD, { attemptCount })

  test('is a verdict when no other pair was ever bad', () => {
    expect(kindsOf(withRecovered(0, half))).toHaveLength(1)
  })

  test('is chance when many pairs recovered, as with ECMP collisions', () => {
    expect(kindsOf(withRecovered(20, half))).toEqual([])
  })

  test('is no chance when it fails or is far from every good one', () => {
    expect(kindsOf(withRecovered(20, (attempts) => failedResult(0, 1, attempts)))).toHaveLength(1)
    expect(
      kindsOf(withRecovered(20, (attemptCount) => iperfResult(0, 1, 0.1 * GOOD, { attemptCount }))),
    ).toHaveLength(1)
  })
})
