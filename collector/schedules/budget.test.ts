import { describe, expect, test } from 'vitest'
import { toDuration } from '../../lib/protobuf-time.ts'
import { spec } from './testing/specs.ts'
import { createStage } from './testing/stage.ts'

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
