import { describe, expect, test } from 'vitest'
import { PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import { toDuration, toTimestamp } from '../../lib/protobuf-time.ts'
import { spend, spentOf } from './budget.ts'
import { createStage } from './testing/harness.ts'
import { spec } from './testing/specs.ts'

describe('a budget', () => {
  test('leaves out what would go over it, until its time has passed', async () => {
    const stage = createStage('2026-06-01T00:00:00Z')
    const schedules = stage.open()
    // A ring of 4 nodes on two interfaces: 8 pairs of 1 MB.
    const budget = { bytes: 7_000_000, busy: undefined, period: toDuration(3600) }
    await schedules.create(spec({ budget }), false)
    await stage.pass(65)
    const shown = await schedules.get('s')
    expect(shown).toMatchObject({ overBudgetCount: 1, startCount: 0 })
    expect(shown.reason).toBe('would send about 8.00 MB, and 7.00 MB of the budget are left')
    // Whoever asks for it gets it.
    await schedules.trigger('s')
    expect(stage.created).toHaveLength(1)
    await schedules.close()
  })

  test('of busy interfaces', async () => {
    const stage = createStage('2026-06-01T00:00:00Z')
    const schedules = stage.open()
    await schedules.create(
      spec({ budget: { bytes: undefined, busy: toDuration(1.2), period: undefined } }),
      false,
    )
    await stage.pass(65)
    expect((await schedules.get('s')).reason).toBe(
      'would keep an interface busy for about 1.3 s, and 1.2 s of the budget are left',
    )
    await schedules.close()
  })
})

test('what was spent by a clock that was set back by more than the period is forgotten', () => {
  const budget = { bytes: undefined, busy: toDuration(10), period: toDuration(3600) }
  const [wrong, right] = [Date.parse('2036-01-01T00:00:00Z'), Date.parse('2026-01-01T00:00:00Z')]
  const log = spend([], { bytes: 0, busySeconds: 10 }, budget, wrong)
  expect(spentOf(log, budget, wrong).busySeconds).toBe(10)
  expect(spentOf(log, budget, right).busySeconds).toBe(0)
  // Set back by less, it counts for as long as it would have, and no longer.
  expect(spentOf(log, budget, wrong - 1_000_000).busySeconds).toBe(10)
})

test('busy time is that of any one interface, not of all that a start takes one after the other', async () => {
  const stage = createStage('2026-06-01T00:00:00Z')
  const end = (name: string, node: string) => ({ node, interface: name, address: '' })
  stage.behaviour.results = ['net0', 'net1'].map((name) =>
    PairResult.fromPartial({
      source: end(name, 'a'),
      destination: end(name, 'b'),
      startTime: toTimestamp(new Date(0)),
      endTime: toTimestamp(new Date(1000)),
    }),
  )
  const schedules = stage.open()
  const budget = { bytes: undefined, busy: toDuration(2), period: undefined }
  await schedules.create(spec({ budget, eachInterface: true }), false)
  await stage.pass(70)
  expect(stage.created).toHaveLength(2)
  // Both of its runs told of a second on net0 and of one on net1.
  expect((await schedules.get('s')).spent?.busy).toEqual(toDuration(2))
  await schedules.close()
})
