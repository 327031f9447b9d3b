import { describe, expect, test } from 'vitest'
import { ScheduleOrigin, ScheduleState } from '#proto/meshgauge/collector/v1/schedule.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import { createStage } from './testing/harness.ts'
import { cron, spec } from './testing/specs.ts'

describe('a collector that was down', () => {
  test('counts what it missed and makes up for nothing that is frequent', async () => {
    const stage = createStage('2026-06-01T00:00:00Z')
    const first = stage.open()
    await first.create(spec({}), false)
    await stage.pass(65)
    await first.close()
    stage.set(Date.parse('2026-06-01T01:00:45Z'))
    const second = stage.open()
    await stage.pass(1)
    expect(await second.get('s')).toMatchObject({
      startCount: 1,
      missedCount: 59,
      origin: ScheduleOrigin.SCHEDULE_ORIGIN_API,
    })
    await stage.pass(60)
    expect(await second.get('s')).toMatchObject({ startCount: 2, missedCount: 59 })
    await second.close()
  })

  test('makes up once for what is daily, however often it was missed, and not again when it starts again', async () => {
    const stage = createStage('2026-06-01T00:00:00Z')
    const first = stage.open()
    await first.create(spec({ when: cron('0 2 * * *'), timeZone: 'UTC' }), false)
    await first.close()
    stage.set(Date.parse('2026-06-04T12:00:00Z'))
    for (let count = 0; count < 3; count++) {
      const again = stage.open()
      await stage.pass(30)
      expect(await again.get('s')).toMatchObject({ startCount: 1, missedCount: 4, lateCount: 0 })
      await again.close()
    }
    expect(stage.starts()).toEqual(['2026-06-04T12:00:00.000Z'])
  })

  test('makes up for nothing in a blackout', async () => {
    const stage = createStage('2026-06-01T00:00:00Z')
    const first = stage.open()
    const blackouts = [{ cron: '0 8 * * *', duration: toDuration(10 * 3600) }]
    await first.create(spec({ when: cron('0 2 * * *'), timeZone: 'UTC', blackouts }), false)
    await first.close()
    stage.set(Date.parse('2026-06-02T12:00:00Z'))
    const second = stage.open()
    await stage.pass(8 * 3600)
    expect(await second.get('s')).toMatchObject({ startCount: 0, missedCount: 2 })
    await second.close()
  })

  test('keeps the pause, and what was paused was not missed', async () => {
    const stage = createStage('2026-06-01T00:00:00Z')
    const first = stage.open()
    await first.create(spec({}), false)
    await first.setPaused('s', true)
    await first.close()
    stage.set(Date.parse('2026-06-02T00:00:00Z'))
    const second = stage.open()
    await stage.pass(120)
    expect((await second.get('s')).state).toBe(ScheduleState.SCHEDULE_STATE_PAUSED)
    await second.setPaused('s', false)
    await stage.pass(61)
    expect(await second.get('s')).toMatchObject({ startCount: 1, missedCount: 0 })
    await second.close()
  })
})

describe('a clock that is set', () => {
  test('forward by days: no burst, and it goes on', async () => {
    const stage = createStage('2026-06-01T00:00:00Z')
    const schedules = stage.open()
    await schedules.create(spec({ when: { $case: 'every', value: toDuration(600) } }), false)
    await stage.pass(605)
    stage.set(Date.parse('2026-06-05T00:03:00Z'))
    await stage.pass(60)
    expect(stage.created).toHaveLength(1)
    await stage.pass(600)
    expect(stage.created).toHaveLength(2)
    await schedules.close()
  })

  test('back by hours: it does not wait until the old time comes again', async () => {
    const stage = createStage('2026-06-01T12:00:00Z')
    const schedules = stage.open()
    await schedules.create(spec({ when: { $case: 'every', value: toDuration(600) } }), false)
    await stage.pass(605)
    stage.set(Date.parse('2026-06-01T06:00:00Z'))
    await stage.pass(1300)
    expect(stage.created.length).toBeGreaterThanOrEqual(2)
    expect(stage.created.length).toBeLessThanOrEqual(3)
    await schedules.close()
  })
})
