import fc from 'fast-check'
import { expect, test } from 'vitest'
import { pingStatistics } from '../testing/samples.ts'
import { mergeRoundTrips } from './round-trips.ts'

test('without received probes there is no value', () => {
  expect(mergeRoundTrips([])).toBeUndefined()
  expect(mergeRoundTrips([pingStatistics(10, [])])).toBeUndefined()
})

test('percentiles of merged times differ from the exact ones by less than a bucket', () => {
  const times = fc.array(fc.double({ min: 1e-5, max: 5, noNaN: true }), { minLength: 1, maxLength: 60 })
  fc.assert(
    fc.property(fc.array(times, { minLength: 1, maxLength: 6 }), (targets) => {
      const all = targets.flat().sort((a, b) => a - b)
      const merged = mergeRoundTrips(targets.map((each) => pingStatistics(each.length, each)))!
      const exact = (q: number) => all[Math.ceil(q * all.length) - 1]!
      expect(Math.abs(merged.min - all[0]!)).toBeLessThanOrEqual(1e-9)
      expect(Math.abs(merged.max - all.at(-1)!)).toBeLessThanOrEqual(1e-9)
      expect(Math.abs(merged.p50 / exact(0.5) - 1)).toBeLessThanOrEqual(0.0111)
      expect(Math.abs(merged.p99 / exact(0.99) - 1)).toBeLessThanOrEqual(0.0111)
    }),
  )
})
