import { describe, expect, test } from 'vitest'
import { TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { toDuration } from '../../../lib/protobuf-time.ts'
import { createHarness } from '../testing/harness.ts'
import { cron, DAY, run, spec } from '../testing/specs.ts'

describe('a schedule with every_pair_within', () => {
  const mesh = { ...run, topology: { ...run.topology!, kind: TopologyKind.TOPOLOGY_KIND_MESH } }

  test('measures a share of the pairs each night, by interface, and reports overdue pairs', async () => {
    const harness = createHarness(
      '2026-06-01T00:00:00Z',
      Array.from({ length: 8 }, (_, index) => `n${index}`),
    )
    const schedules = harness.open()
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
    await harness.pass(2 * 3600 + 10)
    // 8 nodes have 56 pairs on each of two interfaces. A night measures a seventh of them.
    const made = harness.created.map(({ spec: each }) => [each.interfaces[0], each.topology!.pairs.length])
    expect(made.reduce((sum, [, count]) => sum + Number(count), 0)).toBe(16)
    expect(
      harness.created.every(({ spec: each }) => each.topology!.kind === TopologyKind.TOPOLOGY_KIND_PAIRS),
    ).toBe(true)
    expect((await schedules.get('s')).coverage).toMatchObject({
      pairCount: 112,
      overdueCount: 112,
      neverCount: 112,
    })
    await schedules.close()
  })

  test('measures as many pairs as the budget allows', async () => {
    const harness = createHarness('2026-06-01T00:00:00Z')
    const schedules = harness.open()
    const budget = { bytes: 3_000_000, busy: undefined, period: undefined }
    await schedules.create(
      spec({ work: { $case: 'run', value: mesh }, everyPairWithin: toDuration(120), budget }),
      false,
    )
    await harness.pass(65)
    expect(harness.created.flatMap(({ spec: each }) => each.topology!.pairs)).toHaveLength(3)
    await schedules.close()
  })

  test('shares the pairs among the starts outside of blackouts', async () => {
    const harness = createHarness('2026-06-01T00:00:00Z')
    const schedules = harness.open()
    // Of 24 starts a day, two are outside of the blackout, at 0 and 23 o'clock: each of 14 starts takes 2 of 24 pairs.
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
    await harness.pass(23 * 3600 + 10)
    expect(harness.created.flatMap(({ spec: each }) => each.topology!.pairs)).toHaveLength(2)
    await schedules.close()
  })

  test('does not measure pairs of silent agents, which stay overdue', async () => {
    const harness = createHarness('2026-06-01T00:00:00Z')
    harness.nodes[0]!.state = 'silent'
    const schedules = harness.open()
    await schedules.create(
      spec({ work: { $case: 'run', value: mesh }, everyPairWithin: toDuration(60) }),
      false,
    )
    await harness.pass(65)
    const pairs = harness.created.flatMap(({ spec: each }) => each.topology!.pairs)
    expect(pairs).toHaveLength(12)
    expect(pairs.filter(({ source, destination }) => [source, destination].includes('a'))).toEqual([])
    expect((await schedules.get('s')).coverage?.pairCount).toBe(24)
    await schedules.close()
  })
})
