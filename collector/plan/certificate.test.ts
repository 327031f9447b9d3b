import { describe, expect, test } from 'vitest'
import { checkPlan } from './certificate.ts'
import type { Caps, Plan } from './plan.ts'
import { createPlan } from './planner.ts'
import { type FleetShape, inputOf } from './testing/fleets.ts'

type Tampered = { order: Int32Array; offsets: Int32Array; roundCount: number }

/** All pairs in one round, which exceeds every cap. */
const squeeze = (plan: Plan): Tampered => ({
  order: plan.order,
  offsets: Int32Array.of(0, plan.pairCount),
  roundCount: 1,
})

const planOf = (shape: FleetShape, caps: Partial<Caps> = {}) => {
  const input = inputOf(shape, caps)
  return { input, plan: createPlan(input) }
}

describe('checkPlan', () => {
  test('accepts a valid plan', () => {
    const { input, plan } = planOf({ nodes: 9, rackSize: 3, interfaces: 2 }, { perUplink: 2 })
    expect(checkPlan(input, plan)).toEqual([])
  })

  test('finds a pair that is missing', () => {
    const { input, plan } = planOf({ nodes: 5 })
    const offsets = plan.offsets.slice()
    offsets[plan.roundCount]!--
    expect(checkPlan(input, { ...plan, order: plan.order.slice(0, -1), offsets })).toEqual([
      `pair ${plan.order.at(-1)} is planned 0 times`,
    ])
  })

  test('finds a pair that is planned twice', () => {
    const { input, plan } = planOf({ nodes: 5 })
    const order = plan.order.slice()
    order[0] = order.at(-1)!
    const violations = checkPlan(input, { ...plan, order })
    expect(violations).toContain(`pair ${plan.order[0]} is planned 0 times`)
    expect(violations).toContain(`pair ${plan.order.at(-1)} is planned 2 times`)
  })

  test('finds two rounds merged into one', () => {
    const { input, plan } = planOf({ nodes: 5 })
    const merged = { order: plan.order, offsets: plan.offsets.filter((_, at) => at !== 1), roundCount: 3 }
    expect(checkPlan(input, merged)).toContain('round 1: node-1 sends more than 1')
  })

  test('finds offsets that omit pairs', () => {
    const { input, plan } = planOf({ nodes: 4 })
    const offsets = plan.offsets.slice()
    offsets[0] = 1
    expect(checkPlan(input, { ...plan, offsets })[0]).toBe(
      'the rounds do not cover the order from its beginning to its end',
    )
    expect(checkPlan(input, { ...plan, offsets: plan.offsets.slice(0, -1) })[0]).toBe(
      '3 rounds have 3 offsets',
    )
  })

  test('finds a pair that does not exist', () => {
    const { input, plan } = planOf({ nodes: 4 })
    const order = plan.order.slice()
    order[0] = 12
    expect(checkPlan(input, { ...plan, order })[0]).toBe('round 1: there is no pair 12')
  })

  test.each([
    [{ nodes: 4, interfaces: 2 }, { perNode: 2 }, 'net0 of node-1 sends more than 1'],
    [{ nodes: 4, interfaces: 2 }, { perNode: 2 }, 'net0 of node-2 receives more than 1'],
    [{ nodes: 4 }, {}, 'node-1 sends more than 1'],
    [{ nodes: 4 }, {}, 'node-2 receives more than 1'],
    [{ nodes: 4, rackSize: 2 }, { perUplink: 1 }, 'rack r1 sends more than 1'],
    [{ nodes: 4, rackSize: 2 }, { perUplink: 1 }, 'rack r2 receives more than 1'],
    [{ nodes: 4 }, { total: 3 }, 'the round holds more than 3'],
    [{ nodes: 4 }, { exclusiveNodes: true }, 'node-1 takes part in more than 1'],
  ])('finds a cap exceeded: %j with %j', (shape, caps, violation) => {
    const { input, plan } = planOf(shape, caps)
    expect(checkPlan(input, squeeze(plan))).toContain(`round 1: ${violation}`)
  })
})
