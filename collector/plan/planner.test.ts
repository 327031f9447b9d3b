import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkPlan } from './certificate.ts'
import { type Caps, defaultCaps, type Plan, type PlanInput, rounds } from './plan.ts'
import { createPlanFleet, pairInterfaces } from './plan-fleet.ts'
import { createPlan } from './planner.ts'
import { endpointsOfNodes, inputOf, randomPairsOf } from './testing/fleets.ts'

/** Returns a plan that the independent checker has certified. */
const certified = (input: PlanInput): Plan => {
  const plan = createPlan(input)
  expect(checkPlan(input, plan)).toEqual([])
  expect(plan.roundCount).toBeGreaterThanOrEqual(plan.lowerBound)
  return plan
}

const exact = (input: PlanInput): Plan => {
  const plan = certified(input)
  expect(plan.roundCount).toBe(plan.lowerBound)
  return plan
}

describe('optimal where theory guarantees it', () => {
  test.each([2, 3, 4, 5, 7, 8, 63, 64])('a mesh of %i nodes takes N - 1 rounds', (nodes) => {
    const plan = exact(inputOf({ nodes }))
    expect(plan.roundCount).toBe(nodes - 1)
    expect([...rounds(plan)].map((round) => round.length)).toEqual(Array(nodes - 1).fill(nodes))
  })

  test.each([2, 3, 4, 7, 8, 63, 64])('exclusive: a mesh of %i nodes takes twice the circle', (nodes) => {
    const plan = exact(inputOf({ nodes }, { exclusiveNodes: true }))
    expect(plan.roundCount).toBe(2 * (nodes % 2 === 0 ? nodes - 1 : nodes))
  })

  test('ring, star, shifts, matrix', () => {
    expect(exact(inputOf({ nodes: 9 }, {}, 'ring')).roundCount).toBe(1)
    expect(exact(inputOf({ nodes: 9 }, {}, 'star', { center: 'node-4' })).roundCount).toBe(8)
    expect(exact(inputOf({ nodes: 40 }, {}, 'shifts')).roundCount).toBe(7)
    const lists = { clients: ['node-1', 'node-2', 'node-3'], servers: ['node-3', 'node-4', 'node-5'] }
    expect(exact(inputOf({ nodes: 6 }, {}, 'matrix', lists)).roundCount).toBe(3)
  })

  test('any directed graph needs as many rounds as its largest degree (Kőnig)', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 120 }),
        fc.double({ min: 0.02, max: 1, noNaN: true }),
        fc.nat(),
        (nodes, share, seed) => {
          exact(randomPairsOf(inputOf({ nodes }), share, seed))
        },
      ),
      { numRuns: 300 },
    )
    exact(randomPairsOf(inputOf({ nodes: 400 }), 0.3, 1))
  })

  test('any number of interfaces at once, and any cap on the total (nested caps)', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 24 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 6 }),
        fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: 1, max: 60 })),
        fc.double({ min: 0.05, max: 1, noNaN: true }),
        fc.nat(),
        (nodes, interfaces, perNode, total, share, seed) => {
          exact(randomPairsOf(inputOf({ nodes, interfaces }, { perNode, total }), share, seed))
        },
      ),
      { numRuns: 400 },
    )
  })

  test('a nearly optimal plan is improved when a better one is cheap', () => {
    const input = inputOf({ nodes: 18, interfaces: 2 }, { perNode: 2, total: 2 })
    exact(randomPairsOf(input, 0.9591079761739821, 491792287))
  })

  test('uplinks of equal racks', () => {
    for (const perUplink of [1, 2, 3, 4, 5, 7, 8]) exact(inputOf({ nodes: 64, rackSize: 8 }, { perUplink }))
  })
})

describe('near the lower bound where theory guarantees no bound', () => {
  test.each([
    [{ nodes: 64, rackSize: 8 }, { perUplink: 6 }],
    [{ nodes: 60, rackSize: 7 }, { perUplink: 2 }],
    [
      { nodes: 64, rackSize: 8, interfaces: 2 },
      { perUplink: 3, perNode: 2 },
    ],
    [
      { nodes: 48, rackSize: 8, interfaces: 3 },
      { perUplink: 9, perNode: 2 },
    ],
    [
      { nodes: 64, rackSize: 8 },
      { perUplink: 3, total: 20 },
    ],
    [
      { nodes: 64, rackSize: 8 },
      { perUplink: 3, exclusiveNodes: true },
    ],
    [{ nodes: 128, rackSize: 16 }, { perUplink: 4 }],
  ])('%j with %j reaches 0.95 of the bound', (shape, caps) => {
    expect(certified(inputOf(shape, caps)).ratio).toBeGreaterThanOrEqual(0.95)
  })

  test('any pairs with any caps: each pair once, no cap exceeded', () => {
    const cap = fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: 1, max: 12 }))
    const caps: fc.Arbitrary<Caps> = fc.record({
      perNode: fc.integer({ min: 1, max: 3 }),
      perUplink: cap,
      total: cap,
      exclusiveNodes: fc.boolean(),
    })
    const shape = fc.record({
      nodes: fc.integer({ min: 2, max: 40 }),
      rackSize: fc.integer({ min: 1, max: 9 }),
      interfaces: fc.integer({ min: 1, max: 3 }),
    })
    fc.assert(
      fc.property(
        shape,
        caps,
        fc.double({ min: 0.02, max: 1, noNaN: true }),
        fc.nat(),
        (fleet, limits, share, seed) => {
          certified(randomPairsOf(inputOf(fleet, limits), share, seed))
        },
      ),
      { numRuns: 600 },
    )
  })

  test('exclusive nodes: few rounds more than the bound (each direction alone is within the bound of Vizing)', () => {
    fc.assert(
      fc.property(fc.integer({ min: 4, max: 60 }), fc.nat(), (nodes, seed) => {
        const input = randomPairsOf(inputOf({ nodes }, { exclusiveNodes: true }), 0.4, seed)
        const plan = certified(input)
        expect(plan.roundCount).toBeLessThanOrEqual(plan.lowerBound + 2)
      }),
      { numRuns: 200 },
    )
  })
})

describe('the figures of a plan', () => {
  const bottleneck = (input: PlanInput) => createPlan(input).bottleneck

  test('the bottleneck is text', () => {
    expect(bottleneck(inputOf({ nodes: 6 }))).toBe('each node sends 5 tests, one at a time')
    expect(bottleneck(inputOf({ nodes: 6 }, {}, 'star', { center: 'node-3' }))).toBe(
      'node-3 sends 5 tests, one at a time',
    )
    expect(bottleneck(inputOf({ nodes: 7 }, { exclusiveNodes: true }))).toBe(
      '7 nodes make at most 3 couples at a time for 42 tests',
    )
    expect(bottleneck(inputOf({ nodes: 64, rackSize: 8 }, { perUplink: 4 }))).toBe(
      'each rack sends 448 flows over an uplink that takes 4',
    )
    expect(bottleneck(inputOf({ nodes: 60, rackSize: 7 }, { perUplink: 4 }))).toBe(
      'rack r1 sends 371 flows over an uplink that takes 4',
    )
    expect(bottleneck(inputOf({ nodes: 6 }, { total: 2 }))).toBe('30 tests in total, 2 at a time')
  })

  test('no pairs make no rounds', () => {
    const plan = createPlan(randomPairsOf(inputOf({ nodes: 4 }), 0, 1))
    expect(plan).toMatchObject({ pairCount: 0, nodeCount: 0, roundCount: 0, lowerBound: 0, ratio: 1 })
    expect(checkPlan(randomPairsOf(inputOf({ nodes: 4 }), 0, 1), plan)).toEqual([])
  })

  test('only nodes in a pair are counted', () => {
    const pairs = [{ source: 'node-2', destination: 'node-5' }]
    expect(createPlan(inputOf({ nodes: 9 }, {}, 'pairs', { pairs })).nodeCount).toBe(2)
  })

  test('the same input produces the same plan', () => {
    const input = randomPairsOf(inputOf({ nodes: 30, rackSize: 4 }, { perUplink: 2 }), 0.5, 3)
    expect(createPlan(input)).toEqual(createPlan(input))
  })

  test('a cap below 1 is refused', () => {
    expect(() => createPlan(inputOf({ nodes: 3 }, { perNode: 0 }))).toThrow(RangeError)
  })

  test('a node of unknown rack counts as outside every rack', () => {
    const nodes = [{ name: 'a', rack: 'r1' }, { name: 'b', rack: 'r1' }, { name: 'c' }, { name: 'd' }]
    const fleet = createPlanFleet(nodes, endpointsOfNodes(nodes, ['net0']))
    const pairs = { sources: Int32Array.of(0, 1, 2), destinations: Int32Array.of(2, 3, 3) }
    const input = { fleet, pairs, caps: { ...defaultCaps, perUplink: 1 } }
    expect(certified(input).roundCount).toBe(2)
  })
})

describe('pairInterfaces', () => {
  test('pairs interfaces of the same name and reports nodes that share none', () => {
    const fleet = createPlanFleet(
      [{ name: 'a' }, { name: 'b' }, { name: 'c' }],
      [
        { node: 'a', interface: 'net0' },
        { node: 'a', interface: 'net1' },
        { node: 'b', interface: 'net1' },
        { node: 'c', interface: 'net0' },
      ],
    )
    const nodePairs = { sources: Int32Array.of(0, 0, 1), destinations: Int32Array.of(1, 2, 2) }
    const { pairs, unmatched } = pairInterfaces(fleet, nodePairs)
    expect([...pairs.sources].map((source, pair) => [source, pairs.destinations[pair]])).toEqual([
      [0, 3],
      [1, 2],
    ])
    expect(unmatched).toEqual([2])
  })
})
