import { describe, expect, test } from 'vitest'
import { ScheduleOrigin, ScheduleState } from '#proto/meshgauge/collector/v1/schedule.ts'
import { toDuration } from '../../../lib/protobuf-time.ts'
import { createHarness } from '../testing/harness.ts'
import { cron, spec } from '../testing/specs.ts'

describe('a collector that was down', () => {
  test('counts missed starts and does not repeat those of a frequent schedule', async () => {
    const harness = createHarness('2026-06-01T00:00:00Z')
    const first = harness.open()
    await first.create(spec({}), false)
    await harness.pass(65)
    await first.close()
    harness.set(Date.parse('2026-06-01T01:00:45Z'))
    const second = harness.open()
    await harness.pass(1)
    expect(await second.get('s')).toMatchObject({
      startCount: 1,
      missedCount: 59,
      origin: ScheduleOrigin.SCHEDULE_ORIGIN_API,
    })
    await harness.pass(60)
    expect(await second.get('s')).toMatchObject({ startCount: 2, missedCount: 59 })
    await second.close()
  })

  test('runs the missed starts of a daily schedule once, and not again after further restarts', async () => {
    const harness = createHarness('2026-06-01T00:00:00Z')
    const first = harness.open()
    await first.create(spec({ when: cron('0 2 * * *'), timeZone: 'UTC' }), false)
    await first.close()
    harness.set(Date.parse('2026-06-04T12:00:00Z'))
    for (let count = 0; count < 3; count++) {
      const again = harness.open()
      await harness.pass(30)
      expect(await again.get('s')).toMatchObject({ startCount: 1, missedCount: 4, lateCount: 0 })
      await again.close()
    }
    expect(harness.starts()).toEqual(['2026-06-04T12:00:00.000Z'])
  })

  test('does not repeat missed starts within a blackout', async () => {
    const harness = createHarness('2026-06-01T00:00:00Z')
    const first = harness.open()
    const blackouts = [{ cron: '0 8 * * *', duration: toDuration(10 * 3600) }]
    await first.create(spec({ when: cron('0 2 * * *'), timeZone: 'UTC', blackouts }), false)
    await first.close()
    harness.set(Date.parse('2026-06-02T12:00:00Z'))
    const second = harness.open()
    await harness.pass(8 * 3600)
    expect(await second.get('s')).toMatchObject({ startCount: 0, missedCount: 2 })
    await second.close()
  })

  test('keeps a schedule paused, and does not count starts during the pause as missed', async () => {
    const harness = createHarness('2026-06-01T00:00:00Z')
    const first = harness.open()
    await first.create(spec({}), false)
    await first.setPaused('s', true)
    await first.close()
    harness.set(Date.parse('2026-06-02T00:00:00Z'))
    const second = harness.open()
    await harness.pass(120)
    expect((await second.get('s')).state).toBe(ScheduleState.SCHEDULE_STATE_PAUSED)
    await second.setPaused('s', false)
    await harness.pass(61)
    expect(await second.get('s')).toMatchObject({ startCount: 1, missedCount: 0 })
    await second.close()
  })
})

describe('a wall clock that is set', () => {
  test('forward by days causes no burst of starts', async () => {
    const harness = createHarness('2026-06-01T00:00:00Z')
    const schedules = harness.open()
    await schedules.create(spec({ when: { $case: 'every', value: toDuration(600) } }), false)
    await harness.pass(605)
    harness.set(Date.parse('2026-06-05T00:03:00Z'))
    await harness.pass(60)
    expect(harness.created).toHaveLength(1)
    await harness.pass(600)
    expect(harness.created).toHaveLength(2)
    await schedules.close()
  })

  test('back by hours does not delay the next start by hours', async () => {
    const harness = createHarness('2026-06-01T12:00:00Z')
    const schedules = harness.open()
    await schedules.create(spec({ when: { $case: 'every', value: toDuration(600) } }), false)
    await harness.pass(605)
    harness.set(Date.parse('2026-06-01T06:00:00Z'))
    await harness.pass(1300)
    expect(harness.created.length).toBeGreaterThanOrEqual(2)
    expect(harness.created.length).toBeLessThanOrEqual(3)
    await schedules.close()
  })
})
