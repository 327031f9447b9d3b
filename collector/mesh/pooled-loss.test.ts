import { describe, expect, test } from 'vitest'
import { createRandom } from '../topology/random.ts'
import { findLossyEnds, type LostProbe, poissonTail } from './pooled-loss.ts'

/** Ten seconds of a full mesh at a probe a second. */
const mesh = (nodes: number, lossOf: (source: number, destination: number) => number, seed: number) => {
  const random = createRandom(seed)
  const lost: LostProbe[] = []
  for (let source = 0; source < nodes; source++) {
    for (let destination = 0; destination < nodes; destination++) {
      if (source === destination) continue
      const path = source * nodes + destination
      for (let second = 0; second < 10; second++) {
        if (random() >= lossOf(source, destination)) continue
        lost.push({
          path,
          source: `n${source}`,
          destination: `n${destination}`,
          interface: 'net0',
          second,
          count: 1,
        })
      }
    }
  }
  const ends = Array.from({ length: nodes }, (_, node) => ({ node: `n${node}`, sentCount: 20 * (nodes - 1) }))
  return findLossyEnds(ends, lost).map(({ node }) => node)
}
const seeds = Array.from({ length: 100 }, (_, seed) => seed)

describe('pooled loss', () => {
  test('1 % each way of one node of 60 shows in ten seconds, and blames nobody else', () => {
    const found = seeds.map((seed) => mesh(60, (a, b) => (a === 7 || b === 7 ? 0.0199 : 0), seed))
    expect(found.filter((names) => names.includes('n7')).length).toBeGreaterThanOrEqual(99)
    expect(new Set(found.flat())).toEqual(new Set(['n7']))
  })

  test('with 20 peers mostly, in ten seconds', () => {
    const found = seeds.map((seed) => mesh(21, (a, b) => (a === 7 || b === 7 ? 0.0199 : 0), seed))
    expect(found.filter((names) => names.includes('n7')).length).toBeGreaterThanOrEqual(90)
    expect(new Set(found.flat())).toEqual(new Set(['n7']))
  })

  test('a fabric that loses a little everywhere blames nobody', () => {
    const found = seeds.map((seed) => mesh(30, () => 0.002, seed))
    expect(found.filter((names) => names.length > 0).length).toBeLessThanOrEqual(1)
  })

  test("one bad path is not its ends' fault", () => {
    expect(mesh(30, (a, b) => (a === 3 && b === 4 ? 0.5 : 0), 1)).toEqual([])
  })

  test('two lossy nodes are both found', () => {
    expect(mesh(40, (a, b) => ([3, 9].includes(a) || [3, 9].includes(b) ? 0.1 : 0), 1).sort()).toEqual([
      'n3',
      'n9',
    ])
  })

  test('the tail of the Poisson distribution', () => {
    expect(poissonTail(0, 5)).toBe(1)
    expect(poissonTail(1, 1)).toBeCloseTo(1 - Math.exp(-1), 12)
    expect(poissonTail(3, 0.01) / 1.6542e-7).toBeCloseTo(1, 2)
    expect(poissonTail(100, 1)).toBeLessThan(1e-150)
  })
})
