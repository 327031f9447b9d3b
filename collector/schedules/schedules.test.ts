import { describe, expect, test } from 'vitest'
import { MeshSpec } from '#proto/meshgauge/collector/v1/mesh.ts'
import { type ScheduleSpec, ScheduleState } from '#proto/meshgauge/collector/v1/schedule.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import { configuredSchedules } from './defaults.ts'
import { readSchedule } from './schema.ts'
import { createStage } from './testing/harness.ts'
import { spec } from './testing/specs.ts'

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
    // Agents probe on when a collector ends.
    await schedules.create(mesh, false)
    await schedules.close()
    expect(stage.meshes.size).toBe(1)
  })
})

test('a mesh that could not be kept up is refused before it is stored', async () => {
  const stage = createStage('2026-06-01T00:00:00Z')
  const schedules = stage.open()
  const mesh = (fields: Partial<MeshSpec>) =>
    spec({ when: undefined, work: { $case: 'mesh', value: MeshSpec.fromPartial(fields) } })
  const refused = async (fields: Partial<MeshSpec>) => expect(schedules.create(mesh(fields), false)).rejects
  await (await refused({ interval: toDuration(0.001) })).toThrow(/spec.mesh.interval: 0.001 s is not within/)
  await (await refused({ interfaces: ['net9'] })).toThrow(/spec.mesh.interfaces\[0\]: no node has "net9"/)
  expect(await schedules.list()).toEqual([])
  expect(stage.store.documents('schedule').size).toBe(0)
  await schedules.close()
  const yaml = 'name: a\nmesh: { interval: 1ms }\n'
  expect(() => readSchedule('a.yaml', yaml)).toThrow(/a.yaml:2:\d+ +mesh.interval +0.001 s is not within/)
})

describe('defaults and the config', () => {
  const names = (list: ReturnType<typeof configuredSchedules>) => list.map(({ spec: own }) => own.name)

  test('an empty list or a word turns the defaults off, a name replaces one', () => {
    expect(names(configuredSchedules(undefined, true))).toEqual(['mesh', 'daily', 'weekly'])
    expect(names(configuredSchedules([], true))).toEqual([])
    expect(names(configuredSchedules(undefined, false))).toEqual([])
    expect(names(configuredSchedules([spec({ name: 'daily' })], true))).toEqual(['daily', 'mesh', 'weekly'])
    expect(names(configuredSchedules([spec({})], false))).toEqual(['s'])
  })

  test('a new collector loads nothing within its first hour, whatever the time is', async () => {
    const stage = createStage(new Date(2026, 5, 1, 1, 59).toISOString())
    const schedules = stage.open(configuredSchedules(undefined, true))
    await stage.pass(3590)
    expect(stage.created).toEqual([])
    expect([...stage.meshes.keys()]).toEqual(['mesh'])
    await schedules.close()
  })

  test('what the config changes begins anew with what was counted, what it drops goes, what was added stays', async () => {
    const stage = createStage('2026-06-01T00:00:00Z')
    const config = (...own: ScheduleSpec[]) => configuredSchedules(own, false)
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
    const schedules = stage.open(configuredSchedules([spec({})], true))
    expect(() => schedules.delete('s')).toThrow(/config file/)
    expect(() => schedules.delete('daily')).toThrow(/default_schedules/)
    expect(() => schedules.delete('dailyy')).toThrow(/did you mean daily/)
    await schedules.close()
  })
})

test('a schedule that is removed while its run goes on is not shown again when the run ends', async () => {
  const stage = createStage('2026-03-01T00:00:00Z')
  stage.behaviour.seconds = 100
  const schedules = stage.open()
  await schedules.create(spec({ name: 's' }), false)
  await stage.pass(90)
  expect(stage.created).toHaveLength(1)
  expect([...stage.counts.shown]).toEqual(['s'])
  schedules.delete('s')
  await stage.pass(200)
  expect([...stage.counts.shown]).toEqual([])
  await schedules.close()
})

test('times and sizes that no calendar and no number has are refused', async () => {
  const stage = createStage('2026-06-01T00:00:00Z')
  const schedules = stage.open()
  const long = toDuration(1e15)
  const wrong = spec({
    when: { $case: 'every', value: long },
    jitter: long,
    blackouts: [{ cron: '0 8 * * *', duration: long }],
    budget: { bytes: 1, busy: long, period: long },
    everyPairWithin: long,
  })
  await expect(schedules.create(wrong, false)).rejects.toMatchObject({
    violations: [
      'every',
      'blackouts[0].duration',
      'jitter',
      'budget.busy',
      'budget.period',
      'every_pair_within',
    ].map((field) => ({ field: `spec.${field}`, description: 'must be at most 3650d' })),
  })
  await schedules.close()
  const yaml = (bytes: string) =>
    `name: a\nevery: 1h\nrun: { test: iperf, topology: mesh }\nbudget: { bytes: ${bytes} }\n`
  expect(readSchedule('a.yaml', yaml('1500')).budget?.bytes).toBe(1500)
  for (const bytes of ['1.5', '.inf']) expect(() => readSchedule('a.yaml', yaml(bytes))).toThrow(/not a size/)
})

test('a run that goes on brings nothing back of a schedule that is gone or was changed', async () => {
  const stage = createStage('2026-06-01T00:00:00Z')
  stage.behaviour.seconds = 30
  const config = (seconds: number) =>
    configuredSchedules([spec({ name: 'c', when: { $case: 'every', value: toDuration(seconds) } })], false)
  const schedules = stage.open(config(60))
  await schedules.create(spec({ name: 'a' }), false)
  await stage.pass(65)
  expect(stage.created).toHaveLength(2)
  schedules.delete('a')
  schedules.setOwn(config(3600))
  await stage.settle()
  expect([...stage.counts.shown]).toEqual(['c'])
  await schedules.close()
})

test('a full disk neither ends a collector that starts nor a reload of its config', async () => {
  const stage = createStage('2026-06-01T00:00:00Z')
  const named = (...names: string[]) =>
    configuredSchedules(
      names.map((name) => spec({ name })),
      false,
    )
  await stage.open(named('a', 'b')).close()
  stage.store.full = true
  const schedules = stage.open(named('b', 'c'))
  schedules.setOwn(named('c', 'd'))
  await stage.pass(65)
  expect((await schedules.list()).map((each) => [each.spec!.name, each.startCount])).toEqual([
    ['c', 1],
    ['d', 1],
  ])
  await schedules.close()
})

test('a schedule in a file of its own may name any profile that its collector has: only that one knows its config', () => {
  const yaml = (name: string) => `name: a\nevery: 1h\nprofile: ${name}\n`
  for (const name of ['baseline', 'nightly', 'baselin'])
    expect(readSchedule('a.yaml', yaml(name)).work).toMatchObject({
      $case: 'profile',
      value: { source: { $case: 'name', value: name } },
    })
  for (const name of ['my/own.yaml', 'own.yaml'])
    expect(() => readSchedule('a.yaml', yaml(name))).toThrow(
      /a.yaml:3:10 +profile .*schedules add --profile FILE/,
    )
})
