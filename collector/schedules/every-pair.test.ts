import { describe, expect, test } from 'vitest'
import { TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import { createStage } from './testing/harness.ts'
import { cron, DAY, run, spec } from './testing/specs.ts'

describe('every pair within a time', () => {
  const mesh = { ...run, topology: { ...run.topology!, kind: TopologyKind.TOPOLOGY_KIND_MESH } }

  test('each night takes its share, by interface, and the debt is told', async () => {
    const stage = createStage(
      '2026-06-01T00:00:00Z',
      Array.from({ length: 8 }, (_, index) => `n${index}`),
    )
    const schedules = stage.open()
    const everyPairWithin = toDuration(7 * DAY)
    await schedules.create(
      spec({
        when: cron('0 2 * * *'),
        timeZone: 'UTC',
        work: { $case: 'run', value: mesh },
        everyPairWithin,
      }),
      false,
    )
    await stage.pass(2 * 3600 + 10)
    // 8 nodes, 56 pairs on each of two interfaces, a seventh of them.
    const made = stage.created.map(({ spec: each }) => [each.interfaces[0], each.topology!.pairs.length])
    expect(made.reduce((sum, [, count]) => sum + Number(count), 0)).toBe(16)
    expect(
      stage.created.every(({ spec: each }) => each.topology!.kind === TopologyKind.TOPOLOGY_KIND_PAIRS),
    ).toBe(true)
    expect((await schedules.get('s')).coverage).toMatchObject({
      pairCount: 112,
      overdueCount: 112,
      neverCount: 112,
    })
    await schedules.close()
  })

  test('as many as the budget allows', async () => {
    const stage = createStage('2026-06-01T00:00:00Z')
    const schedules = stage.open()
    const budget = { bytes: 3_000_000, busy: undefined, period: undefined }
    await schedules.create(
      spec({ work: { $case: 'run', value: mesh }, everyPairWithin: toDuration(120), budget }),
      false,
    )
    await stage.pass(65)
    expect(stage.created.flatMap(({ spec: each }) => each.topology!.pairs)).toHaveLength(3)
    await schedules.close()
  })

  test('starts that blackouts leave out take no share', async () => {
    const stage = createStage('2026-06-01T00:00:00Z')
    const schedules = stage.open()
    // Of 24 starts a day the blackout leaves two, at 0 and 23 o'clock, so that each of 14 takes 2 of 24 pairs.
    const blackouts = [{ cron: '30 0 * * *', duration: toDuration(22.5 * 3600) }]
    await schedules.create(
      spec({
        when: cron('0 * * * *'),
        timeZone: 'UTC',
        work: { $case: 'run', value: mesh },
        everyPairWithin: toDuration(7 * DAY),
        blackouts,
      }),
      false,
    )
    await stage.pass(23 * 3600 + 10)
    expect(stage.created.flatMap(({ spec: each }) => each.topology!.pairs)).toHaveLength(2)
    await schedules.close()
  })

  test('pairs of silent agents are not tried, and stay in the debt', async () => {
    const stage = createStage('2026-06-01T00:00:00Z')
    stage.nodes[0]!.state = 2
    const schedules = stage.open()
    await schedules.create(
      spec({ work: { $case: 'run', value: mesh }, everyPairWithin: toDuration(60) }),
      false,
    )
    await stage.pass(65)
    const pairs = stage.created.flatMap(({ spec: each }) => each.topology!.pairs)
    expect(pairs).toHaveLength(12)
    expect(pairs.filter(({ source, destination }) => [source, destination].includes('a'))).toEqual([])
    expect((await schedules.get('s')).coverage?.pairCount).toBe(24)
    await schedules.close()
  })
})
