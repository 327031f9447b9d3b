import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type IndependentClient, openIndependentClient } from '../testing/independent-client.ts'
import { type ServiceProcess, startService } from '../testing/service-process.ts'

const SERVICE = 'meshgauge.collector.v1.ScheduleService'

let folder: string
let collector: ServiceProcess
let client: IndependentClient

type ScheduleResponse = {
  schedule: {
    spec: Record<string, unknown>
    state: string
    origin: string
    nextTime?: { seconds: number }
    missedCount?: number
    coverage?: { pairCount: number; overdueCount: number; neverCount: number }
  }
}

const call = <T>(method: string, request: object) => client.call<T>(SERVICE, method, request)
const start = async () => {
  const places = ['--listen', '127.0.0.1:0', '--http', '127.0.0.1:0', '--store', join(folder, 'store.db')]
  collector = await startService(['collector', '--config', join(folder, 'fleet.yaml'), ...places])
  client = openIndependentClient(collector.port)
}

const run = {
  topology: { kind: 'TOPOLOGY_KIND_MESH' },
  iperf: { options: { duration: { seconds: 1 } } },
  interfaces: ['net0'],
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'meshgauge-schedules-'))
  // No agents run, because schedules do not depend on them.
  const nodes = ['a', 'b', 'c'].map(
    (name, index) => `  - { name: ${name}, address: "127.0.0.${9 + index}:9", interfaces: [net0, net1] }`,
  )
  writeFileSync(join(folder, 'fleet.yaml'), ['nodes:', ...nodes, ''].join('\n'))
  await start()
})
afterAll(async () => {
  client.close()
  await collector.stop('SIGTERM')
  rmSync(folder, { recursive: true })
})

test('a schedule is returned as created, with its next start and coverage', async () => {
  const spec = {
    name: 'night',
    // 04:00 exists exactly once on every day, also when summer time begins or ends.
    cron: '0 4 * * *',
    timeZone: 'Europe/Berlin',
    run,
    jitter: { seconds: 60 },
    overlap: 'OVERLAP_POLICY_QUEUE',
    blackouts: [{ cron: '0 8 * * *', duration: { seconds: 3600 } }],
    budget: { bytes: 1_000_000, busy: { seconds: 30 } },
    everyPairWithin: { seconds: 604_800 },
  }
  const { schedule } = await call<ScheduleResponse>('CreateSchedule', { spec })
  expect(schedule.spec).toMatchObject({ ...spec, run: { ...run, topology: { kind: 'TOPOLOGY_KIND_MESH' } } })
  expect(schedule).toMatchObject({ state: 'SCHEDULE_STATE_WAITING', origin: 'SCHEDULE_ORIGIN_API' })
  expect(schedule.coverage).toMatchObject({ pairCount: 6, overdueCount: 6, neverCount: 6 })
  const next = new Date(schedule.nextTime!.seconds * 1000)
  const berlin = new Intl.DateTimeFormat('en', {
    timeZone: 'Europe/Berlin',
    hour: 'numeric',
    hour12: false,
  }).format(next)
  expect(Number(berlin)).toBe(4)
})

test('all problems are reported, each with its field', async () => {
  const spec = {
    name: 'no/name',
    every: { nanos: 1 },
    timeZone: 'Mars/Base',
    run: { topology: { kind: 'TOPOLOGY_KIND_MESH', nodes: ['z'] } },
    blackouts: [{ cron: 'x', duration: { seconds: 1 } }],
    budget: { period: { seconds: 1 } },
  }
  const failure = await call('CreateSchedule', { spec }).catch(
    (error: { code: number; details: string }) => error,
  )
  expect(failure).toMatchObject({ code: 3 })
  for (const field of [
    'spec.name',
    'spec.every',
    'spec.time_zone',
    'spec.run.topology.nodes[0]',
    'spec.run.test',
    'spec.blackouts[0].cron',
    'spec.budget',
  ])
    expect((failure as { details: string }).details).toContain(field)
  const again = { name: 'night', every: { seconds: 60 }, run }
  await expect(call('CreateSchedule', { spec: again })).rejects.toMatchObject({
    code: 3,
    details: expect.stringContaining('already'),
  })
  const mesh = { name: 'm', mesh: { shiftCount: 4 }, jitter: { seconds: 1 }, cron: '@daily' }
  await expect(call('CreateSchedule', { spec: mesh })).rejects.toMatchObject({
    details: expect.stringMatching(/spec\.cron.*spec\.jitter.*4 is even/),
  })
})

test('an unknown schedule is NOT_FOUND, and one that cannot start returns the reason', async () => {
  for (const method of [
    'GetSchedule',
    'PauseSchedule',
    'ResumeSchedule',
    'TriggerSchedule',
    'DeleteSchedule',
  ])
    await expect(call(method, { schedule: 'nite' })).rejects.toMatchObject({ code: 5 })
  await expect(call('TriggerSchedule', { schedule: 'night' })).rejects.toMatchObject({
    code: 3,
    details: expect.stringContaining('no pair of agents that answer is due'),
  })
})

test('coverage is paged and lists pairs never measured first', async () => {
  type Page = {
    coverage: object
    overdue: { source: string; destination: string; interface: string }[]
    nextPageToken?: string
  }
  const seen: string[] = []
  for (let pageToken = ''; ; ) {
    const page = await call<Page>('GetCoverage', { pageSize: 5, pageToken })
    expect(page.coverage).toMatchObject({ pairCount: 12, overdueCount: 12, neverCount: 12 })
    seen.push(
      ...page.overdue.map(({ source, destination, interface: name }) => `${source} ${destination} ${name}`),
    )
    pageToken = page.nextPageToken ?? ''
    if (pageToken === '') break
  }
  expect([seen.length, new Set(seen).size]).toEqual([12, 12])
  await expect(call('GetCoverage', { pageToken: 'x' })).rejects.toMatchObject({ code: 3 })
  await expect(call('GetCoverage', { test: 'curl' })).rejects.toMatchObject({ code: 3 })
})

test('schedules and their state survive kill -9', async () => {
  await call('CreateSchedule', { spec: { name: 'often', every: { seconds: 1 }, run }, paused: true })
  await call('PauseSchedule', { schedule: 'night' })
  await collector.stop('SIGKILL')
  client.close()
  await start()
  const { schedules } = await call<{ schedules: ScheduleResponse['schedule'][] }>('ListSchedules', {})
  expect(schedules.map(({ spec, state }) => [spec.name, state])).toEqual([
    ['night', 'SCHEDULE_STATE_PAUSED'],
    ['often', 'SCHEDULE_STATE_PAUSED'],
  ])
  await call('DeleteSchedule', { schedule: 'often' })
  await collector.stop('SIGKILL')
  client.close()
  await start()
  const left = await call<{ schedules: ScheduleResponse['schedule'][] }>('ListSchedules', {})
  expect(left.schedules.map(({ spec }) => spec.name)).toEqual(['night'])
})
