import { describe, expect, test } from 'vitest'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { toDuration, toTimestamp } from '../../../lib/protobuf-time.ts'
import { createPairResult } from '../../dispatch/pair-result.ts'
import { createHarness } from '../testing/harness.ts'
import { spec } from '../testing/specs.ts'
import { addCost, costInPeriod } from './budget.ts'

describe('a budget', () => {
  test('of bytes prevents a start that would exceed it, but not a triggered start', async () => {
    const harness = createHarness('2026-06-01T00:00:00Z')
    const schedules = harness.open()
    // A ring of 4 nodes on two interfaces: 8 pairs of 1 MB.
    const budget = { bytes: 7_000_000, busy: undefined, period: toDuration(3600) }
    await schedules.create(spec({ budget }), false)
    await harness.pass(65)
    const shown = await schedules.get('s')
    expect(shown).toMatchObject({ overBudgetCount: 1, startCount: 0 })
    expect(shown.reason).toBe('would send about 8.00 MB, but only 7.00 MB of the budget remain')

    await schedules.trigger('s')
    expect(harness.created).toHaveLength(1)
    await schedules.close()
  })

  test('of busy time prevents a start that would exceed it', async () => {
    const harness = createHarness('2026-06-01T00:00:00Z')
    const schedules = harness.open()
    await schedules.create(
      spec({ budget: { bytes: undefined, busy: toDuration(1.2), period: undefined } }),
      false,
    )
    await harness.pass(65)
    expect((await schedules.get('s')).reason).toBe(
      'would keep an interface busy for about 1.3 s, but only 1.2 s of the budget remain',
    )
    await schedules.close()
  })
})

test('costs in the future, before the clock was set back, expire after at most one period', () => {
  const budget = { bytes: undefined, busy: toDuration(10), period: toDuration(3600) }
  const [wrong, right] = [Date.parse('2036-01-01T00:00:00Z'), Date.parse('2026-01-01T00:00:00Z')]
  const log = addCost([], { bytes: 0, busySeconds: 10 }, budget, wrong)
  expect(costInPeriod(log, budget, wrong).busySeconds).toBe(10)
  expect(costInPeriod(log, budget, right).busySeconds).toBe(0)
  // After a smaller step back, the cost still counts.
  expect(costInPeriod(log, budget, wrong - 1_000_000).busySeconds).toBe(10)
})

test('busy time is the maximum over the interfaces, not the sum over successive runs', async () => {
  const harness = createHarness('2026-06-01T00:00:00Z')
  const end = (name: string, node: string) => ({ node, interface: name, address: '' })
  harness.behaviour.results = ['net0', 'net1'].map((name) =>
    createPairResult({
      outcome: Outcome.OUTCOME_MEASURED,
      source: end(name, 'a'),
      destination: end(name, 'b'),
      startTime: toTimestamp(new Date(0)),
      endTime: toTimestamp(new Date(1000)),
    }),
  )
  const schedules = harness.open()
  const budget = { bytes: undefined, busy: toDuration(2), period: undefined }
  await schedules.create(spec({ budget, eachInterface: true }), false)
  await harness.pass(70)
  expect(harness.created).toHaveLength(2)
  // Each of the two runs reported 1 s on net0 and 1 s on net1.
  expect((await schedules.get('s')).spent?.busy).toEqual(toDuration(2))
  await schedules.close()
})
