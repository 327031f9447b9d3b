import { describe, expect, test } from 'vitest'
import { RunState, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { OverlapPolicy, ScheduleState } from '#proto/meshgauge/collector/v1/schedule.ts'
import { OperatingError } from '../../lib/errors.ts'
import { fromTimestamp, toDuration } from '../../lib/protobuf-time.ts'
import { createStage } from './testing/harness.ts'
import { cron, run, spec } from './testing/specs.ts'

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
    expect(stage.created.map(({ spec: made }) => made.label)).toEqual(Array(3).fill('each-minute'))
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

  test('planned for the very end of a blackout are one with the start that waits for it', async () => {
    const stage = createStage('2026-06-01T07:30:00Z')
    const schedules = stage.open()
    const blackouts = [{ cron: '0 8 * * *', duration: toDuration(2 * 3600) }]
    const hourly = { when: cron('0 * * * *'), timeZone: 'UTC', blackouts }
    await schedules.create(spec({ ...hourly, overlap: OverlapPolicy.OVERLAP_POLICY_QUEUE }), false)
    await stage.pass(3 * 3600)
    expect(stage.starts()).toEqual(['2026-06-01T10:00:00.000Z'])
    expect(await schedules.get('s')).toMatchObject({ overlapCount: 0, lateCount: 0 })
    await schedules.close()
  })

  test('within blackouts that follow on one another wait for the end of the last, and are not late', async () => {
    const stage = createStage('2026-06-01T07:30:00Z')
    const schedules = stage.open()
    const blackouts = ['0 8 * * *', '30 9 * * *'].map((line) => ({ cron: line, duration: toDuration(7200) }))
    await schedules.create(spec({ when: cron('15 8 * * *'), timeZone: 'UTC', blackouts }), false)
    await stage.pass(3600)
    const { nextTime } = await schedules.get('s')
    expect(fromTimestamp(nextTime)?.toISOString()).toBe('2026-06-01T11:30:00.000Z')
    await stage.pass(4 * 3600)
    expect(stage.starts()).toEqual(['2026-06-01T11:30:00.000Z'])
    expect(await schedules.get('s')).toMatchObject({ lateCount: 0 })
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
    stage.behaviour.failure = new TypeError('a bug')
    await stage.pass(60)
    expect(await schedules.get('s')).toMatchObject({
      failedCount: 2,
      startCount: 1,
      reason: 'TypeError: a bug',
    })
    // Whoever watches is told of both.
    expect(stage.counts.skipped).toEqual(['failed', 'failed'])
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

test('each interface is one that two of its nodes have', async () => {
  const stage = createStage('2026-06-01T00:00:00Z')
  stage.nodes[3]!.interfaces = ['net0', 'net1', 'lonely']
  const schedules = stage.open()
  await schedules.create(spec({ eachInterface: true }), false)
  await stage.pass(70)
  expect(stage.created.map(({ spec: made }) => made.interfaces)).toEqual([['net0'], ['net1']])
  await schedules.close()
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

describe('a start of several runs', () => {
  test('makes no further one when it is paused in the middle; one that is triggered while paused makes all', async () => {
    const stage = createStage('2026-06-01T00:00:00Z')
    const schedules = stage.open()
    await schedules.create(spec({ eachInterface: true }), false)
    await stage.pass(60.5)
    await schedules.setPaused('s', true)
    await stage.pass(120)
    expect(stage.created).toHaveLength(1)
    expect((await schedules.get('s')).reason).toBe('it was paused in the middle')
    await schedules.trigger('s')
    await stage.pass(10)
    expect(stage.created).toHaveLength(3)
    await schedules.close()
  })

  test('goes on with the other interfaces when one is in use', async () => {
    const stage = createStage('2026-06-01T00:00:00Z')
    stage.behaviour.failure = new OperatingError('INTERFACES_BUSY', 'a net0 carries sustained traffic')
    stage.behaviour.failsOn = 'net0'
    const schedules = stage.open()
    await schedules.create(spec({ eachInterface: true }), false)
    await stage.pass(70)
    expect(stage.created.map(({ spec: made }) => made.interfaces)).toEqual([['net1']])
    const reason = 'a net0 carries sustained traffic'
    expect(await schedules.get('s')).toMatchObject({ startCount: 1, failedCount: 0, reason })
    await schedules.close()
  })
})

test('why a triggered start cannot be is told as it is, and not as a wrong request', async () => {
  const stage = createStage('2026-06-01T00:00:00Z')
  const schedules = stage.open()
  await schedules.create(spec({}), false)
  stage.behaviour.failure = new OperatingError('INTERFACES_BUSY', 'net0 carries sustained traffic')
  await expect(schedules.trigger('s')).rejects.toMatchObject({
    reason: 'INTERFACES_BUSY',
    message: 'nothing of s was started: net0 carries sustained traffic',
  })
  const bug = new TypeError('a bug')
  stage.behaviour.failure = bug
  await stage.settle()
  await expect(schedules.trigger('s')).rejects.toBe(bug)
  await schedules.close()
})

test('a schedule that is removed while its pairs are chosen makes no run', async () => {
  const stage = createStage('2026-06-01T00:00:00Z')
  stage.behaviour.refreshSeconds = 5
  const schedules = stage.open()
  await schedules.create(spec({ everyPairWithin: toDuration(60) }), false)
  await stage.pass(62)
  schedules.delete('s')
  await stage.pass(30)
  expect(stage.created).toEqual([])
  await schedules.close()
})
