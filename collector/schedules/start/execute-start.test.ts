import { describe, expect, test } from 'vitest'
import { RunState, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { OverlapPolicy, ScheduleState } from '#proto/meshgauge/collector/v1/schedule.ts'
import { OperatingError } from '../../../lib/errors.ts'
import { fromTimestamp, toDuration } from '../../../lib/protobuf-time.ts'
import { createHarness } from '../testing/harness.ts'
import { cron, run, spec } from '../testing/specs.ts'

describe('starts', () => {
  test('begin at their planned times, and label their runs with the name of the schedule', async () => {
    const harness = createHarness('2026-06-01T00:00:00Z')
    const schedules = harness.open()
    await schedules.create(spec({ name: 'each-minute' }), false)
    await harness.pass(185)
    expect(harness.starts()).toEqual([
      '2026-06-01T00:01:00.000Z',
      '2026-06-01T00:02:00.000Z',
      '2026-06-01T00:03:00.000Z',
    ])
    expect(harness.created.map(({ spec: made }) => made.label)).toEqual(Array(3).fill('each-minute'))
    const shown = await schedules.get('each-minute')
    expect(shown).toMatchObject({ startCount: 3, lateCount: 0, missedCount: 0, reason: '' })
    expect(shown.runIds).toEqual(['run-3', 'run-2', 'run-1'])
    expect(fromTimestamp(shown.nextTime)?.toISOString()).toBe('2026-06-01T00:04:00.000Z')
    await schedules.close()
  })

  test('are skipped while the previous run is active', async () => {
    const harness = createHarness('2026-06-01T00:00:00Z')
    harness.behaviour.runSeconds = 150
    const schedules = harness.open()
    await schedules.create(spec({}), false)
    await harness.pass(245)
    expect(harness.starts()).toEqual(['2026-06-01T00:01:00.000Z', '2026-06-01T00:04:00.000Z'])
    expect(await schedules.get('s')).toMatchObject({ overlapCount: 2, reason: '' })
    await schedules.close()
  })

  test('wait while the previous run is active, at most one, with the overlap policy QUEUE', async () => {
    const harness = createHarness('2026-06-01T00:00:00Z')
    harness.behaviour.runSeconds = 200
    const schedules = harness.open()
    await schedules.create(spec({ overlap: OverlapPolicy.OVERLAP_POLICY_QUEUE }), false)
    await harness.pass(270)
    expect(harness.starts()).toEqual(['2026-06-01T00:01:00.000Z', '2026-06-01T00:04:20.000Z'])
    expect(await schedules.get('s')).toMatchObject({ overlapCount: 2, lateCount: 1, startCount: 2 })
    await schedules.close()
  })

  test('within a blackout become one start at its end, which is not late', async () => {
    const harness = createHarness('2026-06-01T07:30:00Z')
    const schedules = harness.open()
    const blackouts = [{ cron: '0 8 * * *', duration: toDuration(2 * 3600) }]
    await schedules.create(spec({ when: cron('15 * * * *'), timeZone: 'UTC', blackouts }), false)
    await harness.pass(3600)
    const shown = await schedules.get('s')
    expect(shown.state).toBe(ScheduleState.SCHEDULE_STATE_BLACKOUT)
    expect(fromTimestamp(shown.nextTime)?.toISOString()).toBe('2026-06-01T10:00:00.000Z')
    await harness.pass(3 * 3600)
    expect(harness.starts()).toEqual([
      '2026-06-01T10:00:00.000Z',
      '2026-06-01T10:15:00.000Z',
      '2026-06-01T11:15:00.000Z',
    ])
    expect(await schedules.get('s')).toMatchObject({ lateCount: 0, missedCount: 0 })
    await schedules.close()
  })

  test('planned for the end of a blackout replace the delayed start', async () => {
    const harness = createHarness('2026-06-01T07:30:00Z')
    const schedules = harness.open()
    const blackouts = [{ cron: '0 8 * * *', duration: toDuration(2 * 3600) }]
    const hourly = { when: cron('0 * * * *'), timeZone: 'UTC', blackouts }
    await schedules.create(spec({ ...hourly, overlap: OverlapPolicy.OVERLAP_POLICY_QUEUE }), false)
    await harness.pass(3 * 3600)
    expect(harness.starts()).toEqual(['2026-06-01T10:00:00.000Z'])
    expect(await schedules.get('s')).toMatchObject({ overlapCount: 0, lateCount: 0 })
    await schedules.close()
  })

  test('within adjacent blackouts wait for the end of the last one, and are not late', async () => {
    const harness = createHarness('2026-06-01T07:30:00Z')
    const schedules = harness.open()
    const blackouts = ['0 8 * * *', '30 9 * * *'].map((line) => ({ cron: line, duration: toDuration(7200) }))
    await schedules.create(spec({ when: cron('15 8 * * *'), timeZone: 'UTC', blackouts }), false)
    await harness.pass(3600)
    const { nextTime } = await schedules.get('s')
    expect(fromTimestamp(nextTime)?.toISOString()).toBe('2026-06-01T11:30:00.000Z')
    await harness.pass(4 * 3600)
    expect(harness.starts()).toEqual(['2026-06-01T11:30:00.000Z'])
    expect(await schedules.get('s')).toMatchObject({ lateCount: 0 })
    await schedules.close()
  })

  test('that fail are counted with their reason, and do not end the schedule', async () => {
    const harness = createHarness('2026-06-01T00:00:00Z')
    const schedules = harness.open()
    await schedules.create(spec({}), false)
    harness.behaviour.failure = new OperatingError('LIMIT_EXCEEDED', 'too many runs')
    await harness.pass(65)
    expect(await schedules.get('s')).toMatchObject({ failedCount: 1, startCount: 0, reason: 'too many runs' })
    harness.behaviour.failure = undefined
    await harness.pass(60)
    expect(await schedules.get('s')).toMatchObject({ failedCount: 1, startCount: 1, reason: '' })
    harness.behaviour.failure = new TypeError('a bug')
    await harness.pass(60)
    expect(await schedules.get('s')).toMatchObject({
      failedCount: 2,
      startCount: 1,
      reason: 'TypeError: a bug',
    })

    expect(harness.observed.skipped).toEqual(['failed', 'failed'])
    await schedules.close()
  })

  test('with each_interface create one run per interface, one after the other', async () => {
    const harness = createHarness('2026-06-01T00:00:00Z')
    const schedules = harness.open()
    await schedules.create(spec({ eachInterface: true }), false)
    await harness.pass(70)
    expect(harness.created.map(({ at, spec: made }) => [at, made.interfaces])).toEqual([
      ['2026-06-01T00:01:00.000Z', ['net0']],
      ['2026-06-01T00:01:01.000Z', ['net1']],
    ])
    expect((await schedules.get('s')).startCount).toBe(1)
    await schedules.close()
  })

  test('of random shifts use a new seed each time', async () => {
    const harness = createHarness('2026-06-01T00:00:00Z')
    const schedules = harness.open()
    const shifts = { ...run, topology: { ...run.topology!, kind: TopologyKind.TOPOLOGY_KIND_SHIFTS } }
    await schedules.create(spec({ work: { $case: 'run', value: shifts } }), false)
    await harness.pass(130)
    const [first, second] = harness.created.map(({ spec: made }) => made.topology!.seed)
    expect(first).not.toBe(second)
    await schedules.close()
  })
})

test('each_interface leaves out interfaces that fewer than two nodes have', async () => {
  const harness = createHarness('2026-06-01T00:00:00Z')
  harness.nodes[3]!.interfaces = ['net0', 'net1', 'lonely']
  const schedules = harness.open()
  await schedules.create(spec({ eachInterface: true }), false)
  await harness.pass(70)
  expect(harness.created.map(({ spec: made }) => made.interfaces)).toEqual([['net0'], ['net1']])
  await schedules.close()
})

test('a run that is cancelled ends the start, which then is not a success', async () => {
  const harness = createHarness('2026-06-01T00:00:00Z')
  harness.behaviour.runState = RunState.RUN_STATE_CANCELLED
  const schedules = harness.open()
  await schedules.create(spec({ eachInterface: true }), false)
  await harness.pass(70)
  expect(harness.created).toHaveLength(1)
  expect((await schedules.get('s')).reason).toBe('run run-1 was stopped')
  await schedules.close()
})

describe('a start of several runs', () => {
  test('creates no further run after the schedule is paused; a triggered start of a paused schedule creates all', async () => {
    const harness = createHarness('2026-06-01T00:00:00Z')
    const schedules = harness.open()
    await schedules.create(spec({ eachInterface: true }), false)
    await harness.pass(60.5)
    await schedules.setPaused('s', true)
    await harness.pass(120)
    expect(harness.created).toHaveLength(1)
    expect((await schedules.get('s')).reason).toBe('the schedule was paused between two runs')
    await schedules.trigger('s')
    await harness.pass(10)
    expect(harness.created).toHaveLength(3)
    await schedules.close()
  })

  test('continues with the other interfaces when one is in use', async () => {
    const harness = createHarness('2026-06-01T00:00:00Z')
    harness.behaviour.failure = new OperatingError('INTERFACES_BUSY', 'a net0 carries sustained traffic')
    harness.behaviour.failingInterface = 'net0'
    const schedules = harness.open()
    await schedules.create(spec({ eachInterface: true }), false)
    await harness.pass(70)
    expect(harness.created.map(({ spec: made }) => made.interfaces)).toEqual([['net1']])
    const reason = 'a net0 carries sustained traffic'
    expect(await schedules.get('s')).toMatchObject({ startCount: 1, failedCount: 0, reason })
    await schedules.close()
  })
})

test('a triggered start that fails reports the original error', async () => {
  const harness = createHarness('2026-06-01T00:00:00Z')
  const schedules = harness.open()
  await schedules.create(spec({}), false)
  harness.behaviour.failure = new OperatingError('INTERFACES_BUSY', 'net0 carries sustained traffic')
  await expect(schedules.trigger('s')).rejects.toMatchObject({
    reason: 'INTERFACES_BUSY',
    message: 'schedule s started nothing: net0 carries sustained traffic',
  })
  const bug = new TypeError('a bug')
  harness.behaviour.failure = bug
  await harness.settle()
  await expect(schedules.trigger('s')).rejects.toBe(bug)
  await schedules.close()
})

test('a schedule that is deleted while its pairs are chosen creates no run', async () => {
  const harness = createHarness('2026-06-01T00:00:00Z')
  harness.behaviour.refreshSeconds = 5
  const schedules = harness.open()
  await schedules.create(spec({ everyPairWithin: toDuration(60) }), false)
  await harness.pass(62)
  schedules.delete('s')
  await harness.pass(30)
  expect(harness.created).toEqual([])
  await schedules.close()
})
