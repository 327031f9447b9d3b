import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Caps, defaultCaps, type PlanInput } from '../plan/plan.ts'
import { createPlanFleet, pairInterfaces } from '../plan/plan-fleet.ts'
import { createPlan } from '../plan/planner.ts'
import { endpointsOfNodes } from '../plan/testing/fleets.ts'
import { shiftPairs } from '../topology/topology.ts'
import { PairOrder } from './pair-order.ts'

const meshOf = (
  count: number,
  interfaces: readonly string[],
  caps: Partial<Caps> = {},
  rackSize = 0,
): PlanInput => {
  const nodes = Array.from({ length: count }, (_, index) => ({
    name: `n${index}`,
    rack: rackSize > 0 ? `r${Math.floor(index / rackSize)}` : '',
  }))
  const fleet = createPlanFleet(nodes, endpointsOfNodes(nodes, interfaces))
  const shifts = Array.from({ length: count - 1 }, (_, index) => index + 1)
  return {
    fleet,
    pairs: pairInterfaces(fleet, shiftPairs(count, shifts)).pairs,
    caps: { ...defaultCaps, ...caps },
  }
}

/** Plays a run in simulated time. `length` gives the seconds that a pair takes. Throws when a cap is exceeded. */
const play = (input: PlanInput, length: (pair: number) => number, patienceSeconds = 0.5) => {
  const plan = createPlan(input)
  const order = new PairOrder(input, plan, { patienceSeconds })
  const running = new Map<number, number>()
  const times: { pair: number; start: number; end: number }[] = []
  let [now, mostLag] = [0, 0]
  for (let turns = 0; order.waitingCount > 0 || running.size > 0; turns++) {
    if (turns > 100_000) throw new Error('the order does not end')
    for (const pair of order.take(now)) {
      running.set(pair, now + length(pair))
      times.push({ pair, start: now, end: now + length(pair) })
      mostLag = Math.max(mostLag, order.lagSeconds(pair, now))
    }
    const next = Math.min(
      ...running.values(),
      order.waitingCount > 0 ? now + patienceSeconds / 2 : Number.POSITIVE_INFINITY,
    )
    now = next
    for (const [pair, end] of running) {
      if (end > now) continue
      running.delete(pair)
      order.finish(pair, now)
    }
  }
  return { plan, times, mostLag, makespan: Math.max(...times.map(({ end }) => end)) }
}

/** The most tests that share a resource at one moment. */
const busiest = (
  times: { pair: number; start: number; end: number }[],
  resource: (pair: number) => number | undefined,
): number => {
  const groups = Map.groupBy(times, ({ pair }) => resource(pair))
  groups.delete(undefined)
  const peaks = [...groups.values()].map((group) =>
    Math.max(
      ...group.map(({ start }) => group.filter((other) => other.start <= start && start < other.end).length),
    ),
  )
  return Math.max(0, ...peaks)
}

describe('PairOrder', () => {
  test('tests of equal length take exactly rounds × length', () => {
    const { plan, makespan } = play(meshOf(8, ['net0']), () => 2)
    expect(plan.roundCount).toBe(7)
    expect(makespan).toBeCloseTo(14)
  })

  test('a hanging pair delays only its own two nodes', () => {
    const { makespan, times } = play(meshOf(8, ['net0']), (pair) => (pair === 0 ? 30 : 2))
    expect(makespan).toBeLessThan(30 + 7 * 2)
    const others = times.filter(({ start }) => start < 30)
    // Of 56 pairs, those of the sending side of one node and the receiving side of another may wait.
    expect(others.length).toBeGreaterThanOrEqual(56 - 7 - 7)
  })

  test('the lag of a pair counts from when its nodes and its uplink are free', () => {
    const input = meshOf(4, ['net0'], { perUplink: 1 }, 2)
    const order = new PairOrder(input, createPlan(input), { patienceSeconds: 100 })
    const { fleet, pairs } = input
    const crosses = (pair: number) =>
      fleet.nodeRack[fleet.endpointNode[pairs.sources[pair]!]!] !==
      fleet.nodeRack[fleet.endpointNode[pairs.destinations[pair]!]!]
    const first = order.take(0)
    expect(first.map((pair) => order.lagSeconds(pair, 0))).toEqual(first.map(() => 0))
    const within = first.filter((pair) => !crosses(pair))
    for (const pair of within) order.finish(pair, 10)
    order.take(10)
    for (const pair of first.filter(crosses)) order.finish(pair, 20)
    const next = order.take(20.7).filter(crosses)
    expect(next.length).toBeGreaterThan(0)
    for (const pair of next) expect(order.lagSeconds(pair, 21)).toBeCloseTo(1)
  })

  test('every pair runs once and no cap is exceeded, for any lengths of tests', () => {
    fc.assert(
      fc.property(
        fc.record({
          count: fc.integer({ min: 2, max: 9 }),
          interfaces: fc.constantFrom(['a'], ['a', 'b']),
          perNode: fc.integer({ min: 1, max: 2 }),
          perUplink: fc.constantFrom(1, 2, Number.POSITIVE_INFINITY),
          total: fc.constantFrom(1, 3, Number.POSITIVE_INFINITY),
          exclusiveNodes: fc.boolean(),
          rackSize: fc.integer({ min: 0, max: 3 }),
          lengths: fc.array(fc.double({ min: 0.1, max: 10, noNaN: true }), { minLength: 5, maxLength: 20 }),
        }),
        ({ count, interfaces, rackSize, lengths, ...caps }) => {
          const input = meshOf(count, interfaces, caps, rackSize)
          const { times, mostLag } = play(input, (pair) => lengths[pair % lengths.length]!)
          // With a `take` after every end nothing starts late: a pair that waits for a cap or a slow pair is not late.
          expect(mostLag).toBe(0)
          const { fleet, pairs } = input
          const from = (pair: number) => fleet.endpointNode[pairs.sources[pair]!]!
          const to = (pair: number) => fleet.endpointNode[pairs.destinations[pair]!]!
          const rackOut = (pair: number) =>
            rackSize > 0 && fleet.nodeRack[from(pair)] !== fleet.nodeRack[to(pair)]
              ? fleet.nodeRack[from(pair)]!
              : undefined
          expect(times.map(({ pair }) => pair).sort((a, b) => a - b)).toEqual([...pairs.sources.keys()])
          expect(busiest(times, from)).toBeLessThanOrEqual(caps.perNode)
          expect(busiest(times, to)).toBeLessThanOrEqual(caps.perNode)
          expect(busiest(times, (pair) => pairs.sources[pair])).toBe(1)
          expect(busiest(times, () => 0)).toBeLessThanOrEqual(caps.total)
          expect(busiest(times, rackOut)).toBeLessThanOrEqual(caps.perUplink)
          if (!caps.exclusiveNodes) return
          const both = times.flatMap((time) => [
            { ...time, node: from(time.pair) },
            { ...time, node: to(time.pair) },
          ])
          for (const group of Map.groupBy(both, ({ node }) => node).values()) {
            const peaks = group.map(
              ({ start }) => group.filter((other) => other.start <= start && start < other.end).length,
            )
            expect(Math.max(...peaks)).toBe(1)
          }
        },
      ),
      { numRuns: 150 },
    )
  })
})
