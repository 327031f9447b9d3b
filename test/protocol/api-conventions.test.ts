import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { status } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type IndependentClient, openIndependentClient } from '../testing/independent-client.ts'
import { type ServiceProcess, startService } from '../testing/service-process.ts'
import { failureOf } from './agent-under-test.ts'

const PACKAGE = 'meshgauge.collector.v1'
const ADDRESSES = ['127.0.0.2', '127.0.0.3', '127.0.0.4']

let folder: string
let agents: ServiceProcess[]
let collector: ServiceProcess
let client: IndependentClient

const startCollector = async () => {
  const places = ['--listen', '127.0.0.1:0', '--http', '127.0.0.1:0', '--store', join(folder, 'store.db')]
  collector = await startService(['collector', '--config', join(folder, 'fleet.yaml'), ...places])
  client = openIndependentClient(collector.port)
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'meshgauge-conventions-'))
  agents = await Promise.all(
    ADDRESSES.map((address, index) => {
      const ports = `${25600 + 10 * index}-${25609 + 10 * index}`
      const place = ['--listen', `${address}:0`, '--interface', `lo=${address}`, '--ports', ports]
      return startService(['agent', '--node', `n${index + 1}`, ...place])
    }),
  )
  const nodes = agents.map(
    ({ port }, index) => `  - { name: n${index + 1}, address: "${ADDRESSES[index]}:${port}" }`,
  )
  writeFileSync(join(folder, 'fleet.yaml'), ['schedules: []', 'nodes:', ...nodes].join('\n'))
  await startCollector()
})
afterAll(async () => {
  client.close()
  await Promise.all([collector, ...agents].map((service) => service.stop('SIGTERM')))
  rmSync(folder, { recursive: true })
})

const call = <T>(service: string, method: string, request: object): Promise<T> =>
  client.call<T>(`${PACKAGE}.${service}`, method, request)

type Identified = { id: string }
const runSpec = (label = '') => ({
  label,
  topology: { kind: 'TOPOLOGY_KIND_RING' },
  ping: { count: 2, interval: { nanos: 1e8 } },
})
const createRun = async (requestId: string, spec: object = runSpec()): Promise<string> =>
  (await call<{ run: Identified }>('RunService', 'CreateRun', { spec, requestId })).run.id

const trafficSpec = (bitsPerSecond: number) => ({
  topology: { kind: 'TOPOLOGY_KIND_PAIRS', pairs: [{ source: 'n1', destination: 'n2' }] },
  options: { bitsPerSecond },
})
const startTraffic = async (requestId: string, bitsPerSecond: number): Promise<string> =>
  (
    await call<{ traffic: Identified }>('TrafficService', 'StartTraffic', {
      spec: trafficSpec(bitsPerSecond),
      requestId,
    })
  ).traffic.id

const createSchedule = async (requestId: string, name: string, paused = true): Promise<string> =>
  (
    await call<{ schedule: { spec: { name: string } } }>('ScheduleService', 'CreateSchedule', {
      spec: { name, cron: '0 2 * * *', run: runSpec() },
      paused,
      requestId,
    })
  ).schedule.spec.name

const expectReused = async (work: Promise<unknown>) => {
  const error = await failureOf(work)
  expect([error.code, error.details]).toEqual([
    status.ALREADY_EXISTS,
    expect.stringContaining('belongs to an earlier request with other content'),
  ])
}

describe('a request_id', () => {
  test('CreateRun creates one run, also for requests at the same time', async () => {
    const ids = await Promise.all(Array.from({ length: 10 }, () => createRun('run-1')))
    expect(new Set(ids).size).toBe(1)
    expect(await createRun('run-1')).toBe(ids[0])
    expect(await createRun('run-2')).not.toBe(ids[0])
    expect(await createRun('')).not.toBe(await createRun(''))
    await expectReused(createRun('run-1', runSpec('other')))
    const { run } = await call<{ run: { requestId: string } }>('RunService', 'GetRun', { runId: ids[0] })
    expect(run.requestId).toBe('run-1')
  })

  test('a default that is given explicitly is the same content', async () => {
    const { ping, ...rest } = runSpec()
    const id = await createRun('run-3')
    expect(await createRun('run-3', { ...rest, ping: { ...ping, engine: 'fping', sizeBytes: 56 } })).toBe(id)
  })

  test('StartTraffic starts one traffic', async () => {
    const ids = await Promise.all(Array.from({ length: 5 }, () => startTraffic('traffic-1', 1e6)))
    expect(new Set(ids).size).toBe(1)
    await expectReused(startTraffic('traffic-1', 2e6))
    await call('TrafficService', 'StopTraffic', { trafficId: ids[0] })
    expect(await startTraffic('traffic-1', 1e6)).toBe(ids[0])
    const error = await failureOf(call('TrafficService', 'StopTraffic', { trafficId: ids[0] }))
    expect(error.code).toBe(status.FAILED_PRECONDITION)
  })

  test('CreateSchedule creates one schedule, also when it has been resumed since', async () => {
    await Promise.all(Array.from({ length: 5 }, () => createSchedule('schedule-1', 'night')))
    await call('ScheduleService', 'ResumeSchedule', { schedule: 'night' })
    expect(await createSchedule('schedule-1', 'night')).toBe('night')
    await expectReused(createSchedule('schedule-1', 'day'))
    await expectReused(createSchedule('schedule-1', 'night', false))
    expect((await failureOf(createSchedule('schedule-2', 'night'))).code).toBe(status.INVALID_ARGUMENT)
  })

  test('survives a kill of the collector', async () => {
    const id = await createRun('run-4', runSpec('kept'))
    await collector.stop('SIGKILL')
    client.close()
    await startCollector()
    expect(await createRun('run-4', runSpec('kept'))).toBe(id)
    await expectReused(createRun('run-4', runSpec('other')))
    expect(await createSchedule('schedule-1', 'night')).toBe('night')
    await expectReused(createSchedule('schedule-1', 'day'))
  })

  test('has at most 64 characters', async () => {
    for (const work of [createRun('x'.repeat(65)), startTraffic('x'.repeat(65), 1e6)]) {
      const error = await failureOf(work)
      expect([error.code, error.details]).toEqual([
        status.INVALID_ARGUMENT,
        expect.stringContaining('request_id: has 65 characters; the maximum is 64'),
      ])
    }
  })
})

describe('the effective spec', () => {
  const iperf = {
    topology: { kind: 'TOPOLOGY_KIND_SHIFTS' },
    iperf: {},
    hostSampling: {},
  }
  const effective = {
    topology: { kind: 'TOPOLOGY_KIND_SHIFTS', shiftCount: 2 },
    iperf: {
      engine: 'iperf3',
      options: {
        duration: { seconds: 10 },
        interval: { seconds: 1 },
        parallelCount: 1,
        protocol: 'PROTOCOL_TCP',
        direction: 'DIRECTION_FORWARD',
      },
    },
    caps: { perNodeCount: 1 },
    hostSampling: { interval: { seconds: 1 }, source: 'HOST_SOURCE_PROC' },
  }

  test('PlanRun, CreateRun and GetRun show it', async () => {
    const planned = await call<{ spec: object }>('RunService', 'PlanRun', { spec: iperf })
    expect(planned.spec).toMatchObject(effective)
    const { run } = await call<{ run: Identified & { spec: object } }>('RunService', 'CreateRun', {
      spec: iperf,
    })
    expect(run.spec).toMatchObject(effective)
    await call('RunService', 'CancelRun', { runId: run.id })
    const stored = await call<{ run: { spec: object } }>('RunService', 'GetRun', { runId: run.id })
    expect(stored.run.spec).toMatchObject(effective)
  })

  test('schedules, meshes and traffic show it', async () => {
    await createSchedule('', 'day')
    const { schedule } = await call<{ schedule: object }>('ScheduleService', 'GetSchedule', {
      schedule: 'day',
    })
    expect(schedule).toMatchObject({
      spec: {
        overlap: 'OVERLAP_POLICY_SKIP',
        run: { ping: { engine: 'fping', count: 2, timeout: { seconds: 1 }, sizeBytes: 56 } },
      },
    })
    const mesh = await call<{ schedule: object }>('ScheduleService', 'CreateSchedule', {
      spec: { name: 'mesh', mesh: {} },
      paused: true,
    })
    expect(mesh.schedule).toMatchObject({
      spec: {
        mesh: { engine: 'fping', timeout: { nanos: 5e8 }, sizeBytes: 56, shiftCount: 21, fullMeshLimit: 200 },
      },
    })
    const { traffic } = await call<{ traffic: Identified & { spec: object } }>(
      'TrafficService',
      'StartTraffic',
      { spec: trafficSpec(1e6) },
    )
    expect(traffic.spec).toMatchObject({ interval: { seconds: 5 }, options: { parallelCount: 1 } })
    await call('TrafficService', 'StopTraffic', { trafficId: traffic.id })
  })
})

describe('List RPCs', () => {
  /** Each with the field of its items and what else a request needs. */
  const LISTS: [service: string, method: string, items: string, request?: object][] = [
    ['FleetService', 'ListNodes', 'nodes'],
    ['HealthService', 'ListNodeHealth', 'nodes'],
    ['RunService', 'ListRuns', 'runs'],
    ['ResultService', 'ListResults', 'results', { runId: 'latest' }],
    ['ProfileService', 'ListProfiles', 'profiles'],
    ['ScheduleService', 'ListSchedules', 'schedules'],
    ['MeshService', 'ListPaths', 'paths'],
    ['MeshService', 'ListMeshEvents', 'events'],
    ['TrafficService', 'ListTraffic', 'traffic'],
    ['TrafficService', 'ListFlows', 'flows', { trafficId: 'latest' }],
    ['ScheduleService', 'GetCoverage', 'overdue'],
  ]

  test('are all in this test, and all have pages', () => {
    const files = [
      'agent/v1/check',
      ...['fleet', 'health', 'mesh', 'profile', 'result', 'run', 'schedule', 'traffic'].map(
        (name) => `collector/v1/${name}`,
      ),
    ]
    const text = files
      .map((file) => readFileSync(new URL(`../../proto/meshgauge/${file}.proto`, import.meta.url), 'utf8'))
      .join('\n')
    const lists = [...text.matchAll(/rpc (List\w+)/g)].map(([, method]) => method!)
    expect(lists.toSorted()).toEqual(
      [
        ...LISTS.map(([, method]) => method).filter((method) => method.startsWith('List')),
        'ListChecks',
      ].toSorted(),
    )
    for (const method of lists) {
      const message = (suffix: string) => new RegExp(`message ${method}${suffix} \\{[^}]*\\}`).exec(text)![0]
      expect(message('Request')).toMatch(/uint32 page_size = \d;[^}]*string page_token = \d;/)
      expect(message('Response')).toMatch(/string next_page_token = \d;/)
    }
  })

  test.each(LISTS)(
    '%s.%s: pages of one item have all items once',
    async (service, method, items, request) => {
      type Page = Record<string, unknown[]> & { nextPageToken?: string }
      const whole = await call<Page>(service, method, { ...request, pageSize: 1000 })
      const single: unknown[] = []
      let pageToken = ''
      do {
        const page = await call<Page>(service, method, { ...request, pageSize: 1, pageToken })
        expect(page[items]?.length ?? 0).toBeLessThanOrEqual(1)
        single.push(...(page[items] ?? []))
        pageToken = page.nextPageToken ?? ''
      } while (pageToken !== '')
      expect(single).toHaveLength(whole[items]?.length ?? 0)
    },
  )

  test.each(LISTS)('%s.%s: a page token of another list is rejected', async (service, method, _, request) => {
    for (const pageToken of ['x', '7', Buffer.from('other:1').toString('base64url')]) {
      const error = await failureOf(call(service, method, { ...request, pageToken }))
      expect([error.code, error.details]).toEqual([
        status.INVALID_ARGUMENT,
        expect.stringContaining('page_token: is not a next_page_token of this list'),
      ])
    }
  })
})
