import { describe, expect, test } from 'vitest'
import { MeshSpec } from '#proto/meshgauge/collector/v1/mesh.ts'
import { RunSpec, RunState, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import {
  OverlapPolicy,
  ScheduleOrigin,
  ScheduleSpec,
  ScheduleState,
} from '#proto/meshgauge/collector/v1/schedule.ts'
import { OperatingError } from '../../lib/errors.ts'
import { fromTimestamp, toDuration } from '../../lib/protobuf-time.ts'
import { ownSchedules } from './defaults.ts'
import { createStage } from './testing/stage.ts'

const run = RunSpec.fromPartial({
  topology: { kind: TopologyKind.TOPOLOGY_KIND_RING },
  test: { $case: 'iperf', value: { options: { duration: toDuration(1), bitsPerSecond: 8_000_000 } } },
})
const spec = (fields: Partial<ScheduleSpec>): ScheduleSpec =>
  ScheduleSpec.fromPartial({
    name: 's',
    when: { $case: 'every', value: toDuration(60) },
    work: { $case: 'run', value: run },
    ...fields,
  })
const DAY = 86_400
const cron = (value: string): ScheduleSpec['when'] => ({ $case: 'cron', value })

describe('starts', () => {
  test('come at their times and carry the name', async () => {
    const stage = createStage('2026-06-01T00:00:00Z')
    const schedules = stage.open()
    await schedules.create(spec({ name: 'each-minute' }), false)
    await stage.pass(185)
    expect(stage.starts()).toEqual([
      '2026-06-01T00:01:00.000Z',
      '2026-06-01T00:02:00.000Z',
      '2026-06-01T00:03:00.000Z',
    ])
    expect(stage.created.map(({ spec: made }) => made.runId)).toEqual(Array(3).fill('each-minute'))
    const shown = await schedules.get('each-minute')
    expect(shown).toMatchObject({ startCount: 3, lateCount: 0, missedCount: 0, reason: '' })
    expect(shown.runIds).toEqual(['run-3', 'run-2', 'run-1'])
    expect(fromTimestamp(shown.nextTime)?.toISOString()).toBe('2026-06-01T00:04:00.000Z')
    await schedules.close()
  })

  test('that come while the run before goes on are left out', async () => {
    const stage = createStage('2026-06-01T00:00:00Z')
    stage.behaviour.seconds = 150
    const schedules = stage.open()
    await schedules.create(spec({}), false)
    await stage.pass(245)
    expect(stage.starts()).toEqual(['2026-06-01T00:01:00.000Z', '2026-06-01T00:04:00.000Z'])
    expect(await schedules.get('s')).toMatchObject({ overlapCount: 2, reason: '' })
    await schedules.close()
  })

  test('or wait: one of them, and no more', async () => {
    const stage = createStage('2026-06-01T00:00:00Z')
    stage.behaviour.seconds = 200
    const schedules = stage.open()
    await schedules.create(spec({ overlap: OverlapPolicy.OVERLAP_POLICY_QUEUE }), false)
    await stage.pass(270)
    expect(stage.starts()).toEqual(['2026-06-01T00:01:00.000Z', '2026-06-01T00:04:20.000Z'])
    expect(await schedules.get('s')).toMatchObject({ overlapCount: 2, lateCount: 1, startCount: 2 })
    await schedules.close()
  })

  test('within a blackout wait for its end, as one, and are not late', async () => {
    const stage = createStage('2026-06-01T07:30:00Z')
    const schedules = stage.open()
    const blackouts = [{ cron: '0 8 * * *', duration: toDuration(2 * 3600) }]
    await schedules.create(spec({ when: cron('15 * * * *'), timeZone: 'UTC', blackouts }), false)
    await stage.pass(3600)
    const shown = await schedules.get('s')
    expect(shown.state).toBe(ScheduleState.SCHEDULE_STATE_BLACKOUT)
    expect(fromTimestamp(shown.nextTime)?.toISOString()).toBe('2026-06-01T10:00:00.000Z')
    await stage.pass(3 * 3600)
    expect(stage.starts()).toEqual([
      '2026-06-01T10:00:00.000Z',
      '2026-06-01T10:15:00.000Z',
      '2026-06-01T11:15:00.000Z',
    ])
    expect(await schedules.get('s')).toMatchObject({ lateCount: 0, missedCount: 0 })
    await schedules.close()
  })

  test('that fail are counted with the reason, and do not end the schedule', async () => {
    const stage = createStage('2026-06-01T00:00:00Z')
    const schedules = stage.open()
    await schedules.create(spec({}), false)
    stage.behaviour.failure = new OperatingError('LIMIT_EXCEEDED', 'too many runs')
    await stage.pass(65)
    expect(await schedules.get('s')).toMatchObject({ failedCount: 1, startCount: 0, reason: 'too many runs' })
    stage.behaviour.failure = undefined
    await stage.pass(60)
    expect(await schedules.get('s')).toMatchObject({ failedCount: 1, startCount: 1, reason: '' })
    await schedules.close()
  })

  test('each interface by itself, one after the other', async () => {
    const stage = createStage('2026-06-01T00:00:00Z')
    const schedules = stage.open()
    await schedules.create(spec({ eachInterface: true }), false)
    await stage.pass(70)
    expect(stage.created.map(({ at, spec: made }) => [at, made.interfaces])).toEqual([
      ['2026-06-01T00:01:00.000Z', ['net0']],
      ['2026-06-01T00:01:01.000Z', ['net1']],
    ])
    expect((await schedules.get('s')).startCount).toBe(1)
    await schedules.close()
  })

  test('of random shifts take other ones each time', async () => {
    const stage = createStage('2026-06-01T00:00:00Z')
    const schedules = stage.open()
    const shifts = { ...run, topology: { ...run.topology!, kind: TopologyKind.TOPOLOGY_KIND_SHIFTS } }
    await schedules.create(spec({ work: { $case: 'run', value: shifts } }), false)
    await stage.pass(130)
    const [first, second] = stage.created.map(({ spec: made }) => made.topology!.seed)
    expect(first).not.toBe(second)
    await schedules.close()
  })
})

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

describe('meshes', () => {
  test('are kept up while they are there and not paused', async () => {
    const stage = createStage('2026-06-01T00:00:00Z')
    const schedules = stage.open()
    const mesh = spec({
      name: 'm',
      when: undefined,
      work: { $case: 'mesh', value: MeshSpec.fromPartial({ engine: 'ping' }) },
    })
    await schedules.create(mesh, false)
    expect(stage.meshes.get('m')?.engine).toBe('ping')
    expect((await schedules.get('m')).state).toBe(ScheduleState.SCHEDULE_STATE_RUNNING)
    await schedules.setPaused('m', true)
    expect(stage.meshes.size).toBe(0)
    await schedules.setPaused('m', false)
    expect(stage.meshes.size).toBe(1)
    await expect(schedules.trigger('m')).rejects.toThrow(/never stops/)
    schedules.delete('m')
    expect(stage.meshes.size).toBe(0)
    await schedules.close()
  })
})

describe('defaults and the config', () => {
  const names = (list: ReturnType<typeof ownSchedules>) => list.map(({ spec: own }) => own.name)

  test('an empty list or a word turns the defaults off, a name replaces one', () => {
    expect(names(ownSchedules(undefined, true))).toEqual(['mesh', 'daily', 'weekly'])
    expect(names(ownSchedules([], true))).toEqual([])
    expect(names(ownSchedules(undefined, false))).toEqual([])
    expect(names(ownSchedules([spec({ name: 'daily' })], true))).toEqual(['daily', 'mesh', 'weekly'])
    expect(names(ownSchedules([spec({})], false))).toEqual(['s'])
  })

  test('a new collector loads nothing within its first hour, whatever the time is', async () => {
    const stage = createStage(new Date(2026, 5, 1, 1, 59).toISOString())
    const schedules = stage.open(ownSchedules(undefined, true))
    await stage.pass(3590)
    expect(stage.created).toEqual([])
    expect([...stage.meshes.keys()]).toEqual(['mesh'])
    await schedules.close()
  })

  test('what the config changes begins anew with what was counted, what it drops goes, what was added stays', async () => {
    const stage = createStage('2026-06-01T00:00:00Z')
    const config = (...own: ScheduleSpec[]) => ownSchedules(own, false)
    const first = stage.open(config(spec({ name: 'kept' }), spec({ name: 'dropped' })))
    await first.create(spec({ name: 'added' }), true)
    await stage.pass(65)
    await first.setPaused('kept', true)
    first.setOwn(config(spec({ name: 'kept', when: { $case: 'every', value: toDuration(120) } })))
    expect((await first.list()).map(({ spec: each }) => each?.name)).toEqual(['added', 'kept'])
    expect(await first.get('kept')).toMatchObject({
      startCount: 1,
      state: ScheduleState.SCHEDULE_STATE_PAUSED,
    })
    await first.close()
    const second = stage.open(config())
    expect((await second.list()).map(({ spec: each }) => each?.name)).toEqual(['added'])
    await second.close()
  })

  test('what was not added cannot be removed', async () => {
    const stage = createStage('2026-06-01T00:00:00Z')
    const schedules = stage.open(ownSchedules([spec({})], true))
    expect(() => schedules.delete('s')).toThrow(/config file/)
    expect(() => schedules.delete('daily')).toThrow(/default_schedules/)
    expect(() => schedules.delete('dailyy')).toThrow(/did you mean daily/)
    await schedules.close()
  })
})

test('a run that was stopped from outside ends the start, and is no success', async () => {
  const stage = createStage('2026-06-01T00:00:00Z')
  stage.behaviour.state = RunState.RUN_STATE_CANCELLED
  const schedules = stage.open()
  await schedules.create(spec({ eachInterface: true }), false)
  await stage.pass(70)
  expect(stage.created).toHaveLength(1)
  expect((await schedules.get('s')).reason).toBe('run run-1 was stopped')
  await schedules.close()
})
