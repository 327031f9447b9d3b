import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RttHistogram } from '#proto/meshgauge/agent/v1/ping.ts'
import { countOf, createHistogram, mergeHistograms, quantile } from './histogram.ts'

const times = fc.array(fc.double({ min: 1e-6, max: 3600, noNaN: true }), { minLength: 1, maxLength: 50 })
const histogramOf = (seconds: readonly number[]) => {
  const histogram = createHistogram()
  for (const each of seconds) histogram.record(each)
  return histogram.toMessage()
}
const sumOf = ({ sum }: RttHistogram) => sum!.seconds + sum!.nanos / 1e9

test('merging equals recording all', () => {
  fc.assert(
    fc.property(fc.array(times, { minLength: 1, maxLength: 5 }), (lists) => {
      const merged = mergeHistograms(lists.map(histogramOf))
      const all = histogramOf(lists.flat())
      expect({ ...merged, sum: undefined }).toEqual({ ...all, sum: undefined })
      expect(sumOf(merged)).toBeCloseTo(sumOf(all), 6)
    }),
  )
})

test('a quantile is within 1.1 % of the exact one', () => {
  fc.assert(
    fc.property(times, fc.double({ min: 0, max: 1, noNaN: true }), (seconds, q) => {
      const sorted = seconds.toSorted((a, b) => a - b)
      const exact = sorted[Math.max(1, Math.ceil(q * sorted.length)) - 1]!
      expect(Math.abs(quantile(histogramOf(seconds), q)! / exact - 1)).toBeLessThan(0.011)
    }),
  )
})

test('is the same after encoding and decoding', () => {
  fc.assert(
    fc.property(times, (seconds) => {
      const histogram = histogramOf(seconds)
      expect(RttHistogram.decode(RttHistogram.encode(histogram).finish())).toEqual(histogram)
      expect(countOf(histogram)).toBe(seconds.length)
    }),
  )
})

test('bucket bounds are those of OpenTelemetry: the upper bound is inclusive', () => {
  // base^0 = 1 s is the upper bound of bucket -1. Bucket 0 begins directly above it.
  expect(histogramOf([1]).offset).toBe(-1)
  expect(histogramOf([1.0001]).offset).toBe(0)
  expect(histogramOf([2]).offset).toBe(31)
})

test('an empty histogram has no quantile', () => {
  expect(histogramOf([])).toEqual({ scale: 5, offset: 0, counts: [], sum: { seconds: 0, nanos: 0 } })
  expect(quantile(histogramOf([]), 0.5)).toBeUndefined()
  expect(quantile(mergeHistograms([]), 0.5)).toBeUndefined()
})

test('times outside the range count in the first or last bucket', () => {
  expect(histogramOf([0, -1, 1e-9, 1e9]).counts.length).toBeLessThan(1100)
})

test.each([
  ['another scale', { scale: 3, offset: 0, counts: [1], sum: undefined }, 'scale 3'],
  ['absurd buckets', { scale: 5, offset: 2_000_000_000, counts: [1], sum: undefined }, 'buckets 2000000000'],
  ['too many buckets', { scale: 5, offset: 0, counts: new Array(5000).fill(1), sum: undefined }, 'buckets 0'],
])('refuses %s', (_, histogram, message) => {
  expect(() => mergeHistograms([histogram])).toThrow(message)
})
