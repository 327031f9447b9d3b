import { describe, expect, test } from 'vitest'
import { MeshSpec } from '#proto/meshgauge/collector/v1/mesh.ts'
import { ScheduleState } from '#proto/meshgauge/collector/v1/schedule.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import { configuredSchedules } from './define/default-schedules.ts'
import type { ScheduleSpec } from './define/schedule-spec.ts'
import { readSchedule } from './define/schema.ts'
import { createHarness } from './testing/harness.ts'
import { spec } from './testing/specs.ts'

describe('meshes', () => {
  test('are active while their schedule exists and is not paused', async () => {
    const harness = createHarness('2026-06-01T00:00:00Z')
    const schedules = harness.open()
    const mesh = spec({
      name: 'm',
      when: undefined,
      work: { $case: 'mesh', value: MeshSpec.fromPartial({ engine: 'ping' }) },
    })
    await schedules.create(mesh, false)
    expect(harness.meshes.get('m')?.engine).toBe('ping')
    expect((await schedules.get('m')).state).toBe(ScheduleState.SCHEDULE_STATE_RUNNING)
    await schedules.setPaused('m', true)
    expect(harness.meshes.size).toBe(0)
    await schedules.setPaused('m', false)
    expect(harness.meshes.size).toBe(1)
    await expect(schedules.trigger('m')).rejects.toThrow(/always runs/)
    schedules.delete('m')
    expect(harness.meshes.size).toBe(0)
    // When the collector ends, the agents continue to probe.
    await schedules.create(mesh, false)
    await schedules.close()
    expect(harness.meshes.size).toBe(1)
    const next = harness.open()
    expect((await next.list()).map((each) => each.spec?.name)).toEqual(['m'])
    await next.close()
  })
})

test('a mesh with an invalid spec is refused and not stored', async () => {
  const harness = createHarness('2026-06-01T00:00:00Z')
  const schedules = harness.open()
  const mesh = (fields: Partial<MeshSpec>) =>
    spec({ when: undefined, work: { $case: 'mesh', value: MeshSpec.fromPartial(fields) } })
  const refused = async (fields: Partial<MeshSpec>) => expect(schedules.create(mesh(fields), false)).rejects
  await (await refused({ interval: toDuration(0.001) })).toThrow(/spec.mesh.interval: 0.001 s is not within/)
  await (await refused({ interfaces: ['net9'] })).toThrow(/spec.mesh.interfaces\[0\]: no node has "net9"/)
  expect(await schedules.list()).toEqual([])
  expect(harness.store.documents('schedule').size).toBe(0)
  await schedules.close()
  const yaml = 'name: a\nmesh: { interval: 1ms }\n'
  expect(() => readSchedule('a.yaml', yaml)).toThrow(/a.yaml:2:\d+ +mesh.interval +0.001 s is not within/)
})

describe('defaults and the config', () => {
  const names = (list: ReturnType<typeof configuredSchedules>) => list.map(({ spec: each }) => each.name)

  test('an empty list or default_schedules: false turns the defaults off, and an equal name replaces one', () => {
    expect(names(configuredSchedules(undefined, true))).toEqual(['mesh', 'daily', 'weekly'])
    expect(names(configuredSchedules([], true))).toEqual([])
    expect(names(configuredSchedules(undefined, false))).toEqual([])
    expect(names(configuredSchedules([spec({ name: 'daily' })], true))).toEqual(['daily', 'mesh', 'weekly'])
    expect(names(configuredSchedules([spec({})], false))).toEqual(['s'])
  })

  test('a new collector starts no throughput test within its first hour', async () => {
    const harness = createHarness(new Date(2026, 5, 1, 1, 59).toISOString())
    const schedules = harness.open(configuredSchedules(undefined, true))
    await harness.pass(3590)
    expect(harness.created).toEqual([])
    expect([...harness.meshes.keys()]).toEqual(['mesh'])
    await schedules.close()
  })

  test('a new config keeps the counts of changed schedules, deletes dropped ones, and keeps those of the API', async () => {
    const harness = createHarness('2026-06-01T00:00:00Z')
    const config = (...specs: ScheduleSpec[]) => configuredSchedules(specs, false)
    const first = harness.open(config(spec({ name: 'kept' }), spec({ name: 'dropped' })))
    await first.create(spec({ name: 'added' }), true)
    await harness.pass(65)
    await first.setPaused('kept', true)
    first.setConfigured(config(spec({ name: 'kept', when: { $case: 'every', value: toDuration(120) } })))
    expect((await first.list()).map(({ spec: each }) => each?.name)).toEqual(['added', 'kept'])
    expect(await first.get('kept')).toMatchObject({
      startCount: 1,
      state: ScheduleState.SCHEDULE_STATE_PAUSED,
    })
    await first.close()
    const second = harness.open(config())
    expect((await second.list()).map(({ spec: each }) => each?.name)).toEqual(['added'])
    await second.close()
  })

  test('schedules of the config and defaults cannot be deleted', async () => {
    const harness = createHarness('2026-06-01T00:00:00Z')
    const schedules = harness.open(configuredSchedules([spec({})], true))
    expect(() => schedules.delete('s')).toThrow(/config file/)
    expect(() => schedules.delete('daily')).toThrow(/default_schedules/)
    expect(() => schedules.delete('dailyy')).toThrow(/did you mean daily/)
    await schedules.close()
  })
})

test('the metrics of a deleted schedule do not return when its run ends', async () => {
  const harness = createHarness('2026-03-01T00:00:00Z')
  harness.behaviour.runSeconds = 100
  const schedules = harness.open()
  await schedules.create(spec({ name: 's' }), false)
  await harness.pass(90)
  expect(harness.created).toHaveLength(1)
  expect([...harness.observed.schedules]).toEqual(['s'])
  schedules.delete('s')
  await harness.pass(200)
  expect([...harness.observed.schedules]).toEqual([])
  await schedules.close()
})

test('durations and sizes that are too large are refused', async () => {
  const harness = createHarness('2026-06-01T00:00:00Z')
  const schedules = harness.open()
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

test('an active run does not restore the metrics of a deleted or changed schedule', async () => {
  const harness = createHarness('2026-06-01T00:00:00Z')
  harness.behaviour.runSeconds = 30
  const config = (seconds: number) =>
    configuredSchedules([spec({ name: 'c', when: { $case: 'every', value: toDuration(seconds) } })], false)
  const schedules = harness.open(config(60))
  await schedules.create(spec({ name: 'a' }), false)
  await harness.pass(65)
  expect(harness.created).toHaveLength(2)
  schedules.delete('a')
  schedules.setConfigured(config(3600))
  await harness.settle()
  expect([...harness.observed.schedules]).toEqual(['c'])
  await schedules.close()
})

test('with a full disk the collector starts, and reloads its config', async () => {
  const harness = createHarness('2026-06-01T00:00:00Z')
  const named = (...names: string[]) =>
    configuredSchedules(
      names.map((name) => spec({ name })),
      false,
    )
  await harness.open(named('a', 'b')).close()
  harness.store.isFull = true
  const schedules = harness.open(named('b', 'c'))
  schedules.setConfigured(named('c', 'd'))
  await harness.pass(65)
  expect((await schedules.list()).map((each) => [each.spec!.name, each.startCount])).toEqual([
    ['c', 1],
    ['d', 1],
  ])
  await schedules.close()
})

test('a schedule in a file may name any profile, because only the collector knows those of its config', () => {
  const yaml = (name: string) => `name: a\nevery: 1h\nprofile: ${name}\n`
  for (const name of ['baseline', 'nightly', 'baselin'])
    expect(readSchedule('a.yaml', yaml(name)).work).toMatchObject({
      kind: 'profile',
      source: { kind: 'name', name },
    })
  for (const name of ['my/own.yaml', 'own.yaml'])
    expect(() => readSchedule('a.yaml', yaml(name))).toThrow(
      /a.yaml:3:10 +profile .*schedules add --profile FILE/,
    )
})
