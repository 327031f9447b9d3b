import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { intervalOf, windowFor, windowProblems } from './intervals.ts'
import { createMeshSpec } from './mesh-spec.ts'

describe('probe interval', () => {
  test.each([
    [1, 0.05],
    [3, 0.05],
    [5, 0.05],
    [6, 0.1],
    [7, 0.1],
    [21, 0.2],
    [49, 0.5],
    [63, 1],
    [199, 1],
  ])('with %d peers it is %s s', (peers, seconds) => {
    expect(intervalOf(createMeshSpec({}), peers)).toBe(seconds)
  })

  test('a node with three or more peers sends 60 to 199 probes per second', () => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 199 }), (peers) => {
        const perSecond = peers / intervalOf(createMeshSpec({}), peers)
        expect(perSecond).toBeGreaterThanOrEqual(60)
        expect(perSecond).toBeLessThanOrEqual(199)
      }),
    )
  })

  test('the interval of the spec is used unchanged', () => {
    expect(intervalOf(createMeshSpec({ intervalSeconds: 0.3 }), 5)).toBe(0.3)
  })

  test('a long timeout or an engine other than fping extends the interval', () => {
    expect(intervalOf(createMeshSpec({ timeoutSeconds: 3 }), 5)).toBe(0.5)
    expect(intervalOf(createMeshSpec({ timeoutSeconds: 10 }), 5)).toBe(1)
    expect(intervalOf(createMeshSpec({ engine: 'tcp' }), 5)).toBe(1)
  })
})

describe('window length', () => {
  test.each([
    [10, 42_000, 10],
    [10, 260_000, 20],
    [1, 25_000, 1],
    [1, 25_001, 2],
    [1, 63_000, 5],
    [3, 79_600, 5],
    [60, 5_000_000, 60],
  ])('requested %d s with %d paths: %d s', (asked, paths, seconds) => {
    expect(windowFor(asked, paths)).toBe(seconds)
  })

  test('only a mesh that requests a shorter window reports a problem', () => {
    expect(windowProblems(createMeshSpec({}), 300_000)).toEqual([])
    expect(windowProblems(createMeshSpec({ windowSeconds: 1 }), 25_000)).toEqual([])
    expect(windowProblems(createMeshSpec({ windowSeconds: 1 }), 63_000)).toEqual([
      'windows are 5 s long instead of 1 s: 63000 windows per second exceed the limit of 25000 per collector',
    ])
  })
})
