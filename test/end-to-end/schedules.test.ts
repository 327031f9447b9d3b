import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../testing/eventually.ts'
import { describeLab } from '../testing/lab.ts'
import { startTestFleet, type TestFleet } from '../testing/test-fleet.ts'

type ScheduleOutput = {
  name: string
  origin: string
  state: string
  reason?: string
  nextTime?: string
  lastStartTime?: string
  runs: string[]
  started: number
  late: number
  missed: number
  skippedOverlap: number
  skippedOverBudget: number
  failed: number
  coverage?: { pairs: number; covered: number; overdue: number; never: number }
}
type Coverage = {
  coverage: { pairs: number; covered: number; overdue: number; never: number }
  overdue: { source: string; destination: string; interface: string; lastTime?: string }[]
}

let fleet: TestFleet

const ok = async (...args: string[]): Promise<string> => {
  const { exitCode, stdout, stderr } = await fleet.meshgauge(...args)
  expect([exitCode, stderr]).toEqual([0, ''])
  return stdout
}
const show = async (name: string): Promise<ScheduleOutput> =>
  JSON.parse(await ok('schedules', 'show', name, '--json')).schedule
type Message = {
  state: string
  startCount?: number
  overlapCount?: number
  overBudgetCount?: number
}

/** Waits until the schedule satisfies `done`, then returns what `schedules show` prints. */
const until = async (
  name: string,
  done: (schedule: Required<Message>) => boolean,
): Promise<ScheduleOutput> => {
  const service = 'meshgauge.collector.v1.ScheduleService'
  await eventually(
    () => fleet.client.call<{ schedule: Message }>(service, 'GetSchedule', { schedule: name }),
    ({ schedule }) => done({ startCount: 0, overlapCount: 0, overBudgetCount: 0, ...schedule }),
  )
  return show(name)
}
const runsOf = async (label: string): Promise<{ id: string; state: string; label: string }[]> =>
  JSON.parse(await ok('runs', 'list', '--limit', '200', '--json')).runs.filter(
    (run: { label?: string }) => run.label === label,
  )
const metric = async (line: RegExp): Promise<number | undefined> => {
  const text = await (await fetch(`http://${fleet.http}/metrics`)).text()
  const match = line.exec(text)
  return match ? Number(match[1]) : undefined
}

const PING = ['--test', 'ping', '--ping-interval', '100ms']

describeLab('schedules on a lab of 4 hosts', () => {
  beforeAll(async () => {
    fleet = await startTestFleet({
      nodes: 4,
      settings: {
        schedules: [{ name: 'from-config', cron: '0 3 * * 0', run: { test: 'ping', topology: 'ring' } }],
      },
    })
  })
  afterAll(async () => {
    fleet.client.close()
    await fleet.close()
  })

  test('a schedule with an interval starts runs with its name, and metrics count them', async () => {
    await ok('schedules', 'add', 'tick', 'ring', ...PING, '--count', '3', '--every', '2s')
    const shown = await until('tick', ({ startCount }) => startCount >= 2)
    // On a busy machine a start may be missed or late, but none fails.
    expect(shown).toMatchObject({ origin: 'added', failed: 0 })
    const runs = await runsOf('tick')
    expect(runs.map(({ id }) => id)).toEqual(expect.arrayContaining(shown.runs))
    expect(runs.length).toBeGreaterThanOrEqual(2)
    const counted = (name: string) => () =>
      metric(new RegExp(`^meshgauge_schedule_${name}\\{schedule="tick"\\} (\\S+)`, 'm'))
    await expect.poll(counted('starts_total')).toBeGreaterThanOrEqual(2)
    // Both are equal, but a start may be missed between the two reads.
    const missed = async () => ({
      counted: await counted('missed_total')(),
      shown: (await show('tick')).missed,
    })
    await eventually(missed, (seen) => seen.counted === seen.shown)
    await expect
      .poll(counted('next_start_timestamp_seconds'))
      .toBeGreaterThan(Date.parse(shown.lastStartTime!) / 1000)
  })

  test('a schedule can be paused, resumed and removed', async () => {
    await ok('schedules', 'pause', 'tick')
    const before = await until('tick', ({ state }) => state === 'SCHEDULE_STATE_PAUSED')
    expect(before.nextTime).toBeUndefined()
    await ok('schedules', 'add', 'tock', 'ring', ...PING, '--count', '1', '--every', '1s')
    await until('tock', ({ startCount }) => startCount >= 3)
    expect((await show('tick')).started).toBe(before.started)
    await ok('schedules', 'resume', 'tick')
    const after = await until('tick', ({ startCount }) => startCount > before.started)
    // Start times during the pause do not count as missed.
    expect(after.missed).toBe(before.missed)
    for (const name of ['tick', 'tock']) await ok('schedules', 'rm', name)
    const gone = await fleet.meshgauge('schedules', 'show', 'tick')
    expect([gone.exitCode, gone.stderr]).toEqual([2, 'there is no schedule "tick"'])
    await expect
      .poll(() => metric(/^meshgauge_schedule_starts_total\{schedule="tick"\} (\d+)/m))
      .toBeUndefined()
  })

  test('a start during the previous run is skipped or queued, as configured', async () => {
    const slow = ['ring', ...PING, '--count', '35', '--every', '1s']
    await ok('schedules', 'add', 'skips', ...slow)
    await ok('schedules', 'add', 'queues', ...slow, '--overlap', 'queue')
    await until('skips', ({ startCount, overlapCount }) => startCount >= 2 && overlapCount >= 2)
    const queues = await until('queues', ({ startCount }) => startCount >= 2)
    expect(queues.late).toBeGreaterThanOrEqual(1)
    for (const name of ['skips', 'queues']) await ok('schedules', 'rm', name)
  })

  test('all problems of a new schedule are reported, and a schedule of the config file can only be paused', async () => {
    const wrong = await fleet.meshgauge(
      ...['schedules', 'add', 'no/name', 'mesh', '--test', 'iperf', '--cron', '0 25 * * *'],
      ...[
        '--time-zone',
        'Europe/Berln',
        '--nodes',
        'node-9',
        '--budget-busy',
        '1s',
        '--blackout',
        '0 8 * * 9 for 1h',
      ],
    )
    expect(wrong.exitCode).toBe(2)
    for (const problem of [
      'spec.name',
      'spec.cron',
      'did you mean Europe/Berlin',
      '--nodes',
      'spec.blackouts[0].cron',
    ])
      expect(wrong.stderr).toContain(problem)
    const typed = await fleet.meshgauge(
      'schedules',
      'add',
      'x',
      'mesh',
      '--test',
      'iperf',
      '--every',
      '5 mins',
      '--overlap',
      'no',
    )
    expect([typed.exitCode, typed.stderr]).toEqual([
      2,
      expect.stringContaining('"5 mins" is not a duration; write 5m'),
    ])
    const fixed = await fleet.meshgauge('schedules', 'rm', 'from-config')
    expect([fixed.exitCode, fixed.stderr]).toEqual([
      2,
      expect.stringContaining('is defined in the config file'),
    ])
    await ok('schedules', 'pause', 'from-config')
  })

  test('a schedule with a coverage objective and a budget measures all pairs in a few starts', async () => {
    await ok(
      ...['schedules', 'add', 'all', 'mesh', '--test', 'iperf', '--duration', '1s', '--bitrate', '10M'],
      ...['--cron', '0 3 * * *', '--every-pair-within', '7d', '--budget-busy', '1500ms'],
    )
    const overdueCounts = [(await show('all')).coverage!.overdue]
    expect(overdueCounts).toEqual([24])
    for (let count = 0; count < 3; count++) {
      await ok('schedules', 'trigger', 'all')
      const { coverage } = await until('all', ({ state }) => state === 'SCHEDULE_STATE_WAITING')
      overdueCounts.push(coverage!.overdue)
    }
    expect(overdueCounts).toEqual([24, 16, 8, 0])
    const { coverage, overdue }: Coverage = JSON.parse(await ok('coverage', '--json'))
    expect(coverage).toMatchObject({ pairs: 24, covered: 24, overdue: 0, never: 0 })
    expect(overdue).toEqual([])
    // One run per interface and start.
    expect(await runsOf('all')).toHaveLength(6)
  })

  test('a start that exceeds the budget is skipped', async () => {
    const file = join(fleet.lab.stateDir, 'frugal.yaml')
    writeFileSync(
      file,
      'name: frugal\nevery: 2s\nbudget: { bytes: 100K }\nrun: { test: iperf, topology: ring, duration: 1s, bitrate: 10M }\n',
    )
    await ok('schedules', 'add', '-f', file)
    const shown = await until('frugal', ({ overBudgetCount }) => overBudgetCount >= 2)
    expect(shown.reason).toMatch(/would send about \d+\.\d+ MB, but only 102 kB of the budget remain/)
    expect(shown.started).toBe(0)
    await ok('schedules', 'rm', 'frugal')
  })

  test('after kill -9 of the collector, added schedules continue in their state, and missed starts are counted', async () => {
    const createdMs = Date.now()
    await ok('schedules', 'add', 'kept', 'ring', ...PING, '--count', '1', '--every', '1s')
    await ok('schedules', 'add', 'asleep', 'ring', ...PING, '--every', '1s', '--paused')
    const before = await until('kept', ({ startCount }) => startCount >= 2)
    const covered = (await show('all')).coverage
    process.kill(await fleet.pidOf('collector'), 'SIGKILL')
    // Several start times pass without a collector.
    await new Promise((resolve) => setTimeout(resolve, 4000))
    await fleet.restartCollector()
    const after = await until('kept', ({ startCount }) => startCount > before.started)
    expect(after.missed).toBeGreaterThanOrEqual(2)
    // Each start time was used or missed. Missed starts are not repeated.
    expect(after.started + after.missed).toBeLessThanOrEqual((Date.now() - createdMs) / 1000 + 1)
    expect(await show('asleep')).toMatchObject({ state: 'paused', started: 0, missed: 0 })
    expect((await show('from-config')).state).toBe('paused')
    expect((await show('all')).coverage).toMatchObject({ ...covered, oldestSeconds: expect.any(Number) })
    const table = await ok('schedules', 'list')
    expect(table).toMatch(/^kept +added +\w+ +ping ring +every 1\.0 s /m)
    expect(table).toMatch(/^kept +\d+ missed/m)
  })
})
