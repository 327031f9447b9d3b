import { describe, expect, test } from 'vitest'
import { MeshSpec } from '#proto/meshgauge/collector/v1/mesh.ts'
import { createRandom } from '../../topology/random.ts'
import { intervalOf, readMeshSpec } from '../assign/settings.ts'
import { findLossyEnds, type LostProbe, poissonTail } from './pooled-loss.ts'

/** Ten probes of each path of a full mesh. */
const mesh = (
  nodes: number,
  lossOf: (source: number, destination: number) => number,
  seed: number,
  probes = 10,
) => {
  const random = createRandom(seed)
  const lost: LostProbe[] = []
  for (let source = 0; source < nodes; source++) {
    for (let destination = 0; destination < nodes; destination++) {
      if (source === destination) continue
      const path = source * nodes + destination
      for (let second = 0; second < probes; second++) {
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
  const ends = Array.from({ length: nodes }, (_, node) => ({
    node: `n${node}`,
    sentCount: 2 * probes * (nodes - 1),
  }))
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

  // Of the ten seconds three are for the probe's timeout, for telling of it and for judging.
  test.each([4, 5, 6, 12, 22, 60])(
    'of %d nodes at the default rate, one that loses a hundredth one way shows in seven seconds',
    (nodes) => {
      const probes = Math.floor(7 / intervalOf(readMeshSpec(MeshSpec.fromPartial({})), nodes - 1))
      const found = seeds.map((seed) => mesh(nodes, (a, b) => (a === 2 || b === 2 ? 0.01 : 0), seed, probes))
      const seen = found.filter((names) => names.includes('n2')).length
      // In a fleet of four all three peers must have lost something.
      expect(seen).toBeGreaterThanOrEqual(nodes === 4 ? 75 : 95)
      expect(new Set(found.flat())).toEqual(new Set(['n2']))
    },
  )

  test.each([4, 6, 30])('a fabric of %d that loses a little everywhere blames nobody', (nodes) => {
    const found = seeds.map((seed) => mesh(nodes, () => 0.002, seed, nodes < 10 ? 140 : 10))
    expect(found.filter((names) => names.length > 0).length).toBeLessThanOrEqual(3)
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

test('of a fabric that is bad itself the worst are named, and no more than anyone reads', () => {
  const nodes = 3000
  const ends = Array.from({ length: nodes }, (_, index) => ({ node: `n${index}`, sentCount: 2520 }))
  const lost = ends.flatMap((_, index) =>
    index % 20 > 0
      ? []
      : Array.from({ length: 21 }, (_, shift) => ({
          path: index * 21 + shift,
          source: `n${index}`,
          destination: `n${(index + 131 * shift + 7) % nodes}`,
          interface: 'net0',
          second: 1,
          count: 2,
        })),
  )
  const found = findLossyEnds(ends, lost)
  expect(found).toHaveLength(100)
  expect(
    found.filter(({ node, lostCount }) => Number(node.slice(1)) % 20 === 0 && lostCount > 35),
  ).toHaveLength(100)
})
