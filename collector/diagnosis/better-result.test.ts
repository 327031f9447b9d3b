import { expect, test } from 'vitest'
import { betterResult } from './better-result.ts'
import { failedResult, iperfResult, pingResult } from './testing/model.ts'

const slow = iperfResult(0, 1, 48e6)
const fast = iperfResult(0, 1, 941e6)

test.each([
  ['a retest that recovers', slow, fast, fast],
  ['an attempt that was better than the retest', fast, slow, fast],
  ['a value after a failure', failedResult(0, 1), slow, slow],
  ['a value before a failure', slow, failedResult(0, 1), slow],
  ['fewer lost probes', pingResult(0, 1, 3, 10), pingResult(0, 1, 1, 10), pingResult(0, 1, 1, 10)],
  [
    'a shorter time',
    pingResult(0, 1, 0, 10, 0.001),
    pingResult(0, 1, 0, 10, 0.005),
    pingResult(0, 1, 0, 10, 0.001),
  ],
])('keeps %s, and counts both attempts', (_, earlier, retest, better) => {
  expect(betterResult(earlier, retest)).toEqual({ ...better, attemptCount: 2 })
})
