import { describe, expect, test } from 'vitest'
import { chanceToShow, median, quantileOf, robustDeviation, upperMedian, wilsonLower } from './statistics.ts'

describe('robust statistics', () => {
  test('the median of an even count is the mean of the middle values, or the upper of them', () => {
    expect([median([3, 1, 2]), median([4, 1, 2, 3])]).toEqual([2, 2.5])
    expect([upperMedian([3, 1, 2]), upperMedian([4, 1, 2, 3])]).toEqual([2, 3])
  })

  test('a quantile is one of the values, and undefined without values', () => {
    expect([0, 0.25, 0.5, 0.75, 1].map((q) => quantileOf([10, 20, 30, 40], q))).toEqual([10, 10, 20, 30, 40])
    expect([quantileOf([], 0.5), median([]), upperMedian([])]).toEqual([undefined, undefined, undefined])
  })

  test('the robust deviation ignores up to half of the values', () => {
    expect(robustDeviation([1, 1, 1, 9, 9, 9], 1)).toBe(0)
    expect(robustDeviation([9, 10, 11], 10)).toBeCloseTo(1.4826)
  })
})

describe('loss', () => {
  test('the observed share is 2.5758 standard errors above the lower end of the Wilson interval', () => {
    for (const [hits, count] of [
      [1, 10],
      [10, 100],
      [7, 20],
      [3, 1000],
    ] as const) {
      const lower = wilsonLower(hits, count)
      const standardError = Math.sqrt((lower * (1 - lower)) / count)
      expect((hits / count - lower) / standardError).toBeCloseTo(2.5758)
    }
    expect(wilsonLower(0, 50)).toBe(0)
    expect(wilsonLower(0, 0)).toBe(0)
  })

  test('the probability that a pair shows its loss follows the binomial distribution', () => {
    expect(wilsonLower(1, 10)).toBeGreaterThan(0.005)
    expect(chanceToShow(0.1, 10, 0.005)).toBeCloseTo(1 - 0.9 ** 10)
    // One lost probe of 50 is not significantly above 0.5 %; two are.
    expect(chanceToShow(0.1, 50, 0.005)).toBeCloseTo(1 - 0.9 ** 50 - 50 * 0.1 * 0.9 ** 49)
    expect(chanceToShow(1, 10, 0.005)).toBe(1)
  })
})
