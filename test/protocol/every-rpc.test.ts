import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadSync } from '@grpc/proto-loader'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../testing/eventually.ts'
import { type ServiceProcess, startService } from '../testing/service-process.ts'

const root = new URL('../../', import.meta.url).pathname
const buf = join(root, 'node_modules/.bin/buf')

let folder: string
let agents: ServiceProcess[]
let collector: ServiceProcess

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'meshgauge-rpc-'))
  const addresses = ['127.0.0.2', '127.0.0.3', '127.0.0.4']
  agents = await Promise.all(
    addresses.map((address, index) =>
      startService([
        'agent',
        '--node',
        `n${index + 1}`,
        '--listen',
        `${address}:0`,
        '--interface',
        `lo=${address}`,
        '--ports',
        `${25400 + 10 * index}-${25409 + 10 * index}`,
      ]),
    ),
  )
  const nodes = agents.map(
    ({ port }, index) => `  - { name: n${index + 1}, address: "${addresses[index]}:${port}" }`,
  )
  writeFileSync(
    join(folder, 'fleet.yaml'),
    ['schedules: [{ name: mesh, mesh: { nodes: [n2, n3] } }]', 'nodes:', ...nodes].join('\n'),
  )
  const places = ['--listen', '127.0.0.1:0', '--http', '127.0.0.1:0', '--store', join(folder, 'store.db')]
  collector = await startService(['collector', '--config', join(folder, 'fleet.yaml'), ...places])
})
afterAll(async () => {
  await Promise.all([collector, ...agents].map((service) => service.stop('SIGTERM')))
  rmSync(folder, { recursive: true })
})

/** Calls an RPC as a grpcurl user does: by reflection, with JSON. */
const call = async (port: string, method: string, body: object) => {
  const args = [
    'curl',
    '--protocol',
    'grpc',
    '--http2-prior-knowledge',
    '-d',
    JSON.stringify(body),
    `http://${port}/${method}`,
  ]
  const { stdout, stderr, exitCode } = await execa(buf, args, { cwd: '/', reject: false })
  return { exitCode, stderr, stdout }
}

const spec = {
  topology: { kind: 'TOPOLOGY_KIND_RING' },
  ping: { count: 2, interval: '0.1s' },
}

/** The answer needs a running mesh, or progress of a run, so the call is repeated. */
const IN_TIME = 'in time'

/** A small request for every RPC, in a useful order, with a pattern for the answer. */
const AGENT_CALLS: [method: string, body: object, answer: RegExp, when?: typeof IN_TIME][] = [
  ['meshgauge.agent.v1.AgentService/Describe', {}, /"iperf3"/],
  ['meshgauge.agent.v1.CheckService/ListChecks', {}, /"reachability"/],
  [
    'meshgauge.agent.v1.CheckService/RunCheck',
    { check: 'reachability', parameters: { targets: ['127.0.0.3'] } },
    /CHECK_STATUS_PASS/,
  ],
  [
    'meshgauge.agent.v1.PingService/Ping',
    { targets: [{ address: '127.0.0.3' }], count: 2, interval: '0.1s' },
    /"summary"/,
  ],
  [
    // buf half-closes the stream at once, which ends the mesh after Started.
    'meshgauge.agent.v1.PingService/PingMesh',
    { assignment: { owner: 'me', groups: [{ targets: [{ id: 1, address: '127.0.0.3' }] }] } },
    /"session"/,
  ],
  [
    'meshgauge.agent.v1.IperfService/Serve',
    { listeners: [{ interface: 'lo' }], idleTimeout: '1s' },
    /OUTCOME_TIMED_OUT/,
  ],
  [
    'meshgauge.agent.v1.IperfService/Run',
    { flows: [{ address: '127.0.0.3', port: 25419 }], options: { duration: '1s' } },
    /OUTCOME_REFUSED/,
  ],
]
const schedule = { name: 'night', cron: '0 2 * * *', timeZone: 'UTC', run: spec, everyPairWithin: '604800s' }
/** Sustained traffic with one flow. */
const traffic = {
  topology: { kind: 'TOPOLOGY_KIND_PAIRS', pairs: [{ source: 'n1', destination: 'n2' }] },
  options: { bitsPerSecond: 1e6 },
  interval: '1s',
}

const COLLECTOR_CALLS: typeof AGENT_CALLS = [
  ['meshgauge.collector.v1.FleetService/ListNodes', {}, /NODE_STATE_READY/],
  ['meshgauge.collector.v1.FleetService/ReloadFleet', {}, /^{}$/m],
  ['meshgauge.collector.v1.FleetService/RunChecks', { checks: ['reachability'] }, /CHECK_STATUS_PASS/],
  ['meshgauge.collector.v1.HealthService/ListNodeHealth', { nodes: ['n1'] }, /SEVERITY_PASS/],
  [
    'meshgauge.collector.v1.HealthService/CheckGate',
    { nodes: ['n1', 'n2'], checks: ['reachability'], maxAge: '600s', runMissing: true },
    /"open": true/,
  ],
  ['meshgauge.collector.v1.HealthService/ClearHealth', { nodes: ['n1'] }, /\{\}/],
  ['meshgauge.collector.v1.RunService/PlanRun', { spec }, /"roundCount": 1/],
  ['meshgauge.collector.v1.RunService/CreateRun', { spec }, /"traceId"/],
  ['meshgauge.collector.v1.RunService/WatchRun', { runId: 'latest' }, /RUN_STATE_COMPLETED/],
  ['meshgauge.collector.v1.RunService/GetRun', { runId: 'latest' }, /RUN_STATE_COMPLETED/],
  ['meshgauge.collector.v1.RunService/ListRuns', {}, /TOPOLOGY_KIND_RING/],
  [
    'meshgauge.collector.v1.ScheduleService/CreateSchedule',
    { spec: schedule, paused: true },
    /SCHEDULE_STATE_PAUSED/,
  ],
  ['meshgauge.collector.v1.ScheduleService/GetSchedule', { schedule: 'night' }, /"pairCount": "3"/],
  ['meshgauge.collector.v1.ScheduleService/ListSchedules', {}, /SCHEDULE_ORIGIN_API/],
  ['meshgauge.collector.v1.ScheduleService/ResumeSchedule', { schedule: 'night' }, /SCHEDULE_STATE_WAITING/],
  ['meshgauge.collector.v1.ScheduleService/TriggerSchedule', { schedule: 'night' }, /"label": "night"/],
  ['meshgauge.collector.v1.ScheduleService/PauseSchedule', { schedule: 'night' }, /SCHEDULE_ORIGIN_API/],
  ['meshgauge.collector.v1.ScheduleService/DeleteSchedule', { schedule: 'night' }, /\{\}/],
  ['meshgauge.collector.v1.ScheduleService/GetCoverage', { test: 'ping' }, /"pairCount": "6"/],
  ['meshgauge.collector.v1.MeshService/GetMesh', {}, /"pathCount": 2/, IN_TIME],
  ['meshgauge.collector.v1.MeshService/ListPaths', { node: 'n2' }, /"node": "n3"/, IN_TIME],
  [
    'meshgauge.collector.v1.MeshService/GetPathHistory',
    { source: 'n2', destination: 'n3', interface: 'lo' },
    /RESOLUTION_RAW/,
  ],
  [
    'meshgauge.collector.v1.MeshService/GetMeshMatrix',
    { measure: 'MEASURE_LOSS_RATIO' },
    /"interface": "lo"/,
  ],
  [
    'meshgauge.collector.v1.MeshService/GetMeshMatrix',
    { interface: 'lo', measure: 'MEASURE_LOSS_RATIO' },
    /"sources"/,
    IN_TIME,
  ],
  ['meshgauge.collector.v1.MeshService/ListMeshEvents', {}, /\{\}|"events"/],
  ['meshgauge.collector.v1.ProfileService/ListProfiles', {}, /"baseline"/],
  [
    'meshgauge.collector.v1.ProfileService/ResolveProfile',
    { profile: { name: 'baseline' } },
    /TOPOLOGY_KIND_/,
  ],
  // The run that the schedule started.
  ['meshgauge.collector.v1.RunService/WatchRun', { runId: 'latest' }, /RUN_STATE_COMPLETED/],
  ['meshgauge.collector.v1.ResultService/ListResults', { runId: 'latest' }, /OUTCOME_MEASURED/],
  [
    'meshgauge.collector.v1.ResultService/GetMatrix',
    { runId: 'latest', measure: 'MEASURE_RTT_P50_SECONDS' },
    /"rows"/,
  ],
  ['meshgauge.collector.v1.TrafficService/StartTraffic', { spec: traffic }, /TRAFFIC_STATE_STARTING/],
  ['meshgauge.collector.v1.TrafficService/GetTraffic', { trafficId: 'latest' }, /"flowCount": 1/],
  ['meshgauge.collector.v1.TrafficService/ListFlows', { trafficId: 'latest' }, /"destination"/],
  ['meshgauge.collector.v1.TrafficService/StopTraffic', { trafficId: 'latest' }, /TRAFFIC_STATE_STOPPED/],
  ['meshgauge.collector.v1.TrafficService/WatchTraffic', { trafficId: 'latest' }, /TRAFFIC_STATE_STOPPED/],
  ['meshgauge.collector.v1.TrafficService/ListTraffic', {}, /"nodeCount": 2/],
  ['meshgauge.collector.v1.StoreService/GetStoreInfo', {}, /"schemaVersion": 3/],
  ['meshgauge.collector.v1.StoreService/BackupStore', {}, /"sizeBytes": "\d{5,}"/],
]

describe('every RPC, called by reflection', () => {
  test.each(AGENT_CALLS)('%s', async (method, body, answer) => {
    const { exitCode, stdout, stderr } = await call(`127.0.0.2:${agents[0]!.port}`, method, body)
    expect([exitCode, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(answer)
  })

  test.each(COLLECTOR_CALLS)('%s', async (method, body, answer, when) => {
    const look = () => call(`127.0.0.1:${collector.port}`, method, body)
    const { exitCode, stdout, stderr } =
      when === IN_TIME ? await eventually(look, (seen) => answer.test(seen.stdout), 60) : await look()
    expect([exitCode, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(answer)
  })

  test('CancelRun of an ended run is refused', async () => {
    const { exitCode, stderr } = await call(
      `127.0.0.1:${collector.port}`,
      'meshgauge.collector.v1.RunService/CancelRun',
      { runId: 'latest' },
    )
    expect(exitCode).not.toBe(0)
    expect(stderr).toMatch(/failed_precondition.*has ended already/s)
  })

  test('the lists above contain every RPC', () => {
    const files = [
      'agent/v1/agent',
      'agent/v1/check',
      'agent/v1/ping',
      'agent/v1/iperf',
      'collector/v1/fleet',
      'collector/v1/health',
      'collector/v1/run',
      'collector/v1/result',
      'collector/v1/mesh',
      'collector/v1/profile',
      'collector/v1/schedule',
      'collector/v1/store',
      'collector/v1/traffic',
    ]
    const loaded = loadSync(
      files.map((file) => `meshgauge/${file}.proto`),
      { includeDirs: [join(root, 'proto')] },
    )
    const methods = Object.entries(loaded).flatMap(([service, definition]) =>
      service.endsWith('Service') ? Object.keys(definition).map((method) => `${service}/${method}`) : [],
    )
    // schedule.proto imports these services; they have separate tests.
    const others = /\.(ProfileService|MeshService)\//
    const called = [...AGENT_CALLS, ...COLLECTOR_CALLS].map(([method]) => method)
    expect(methods.filter((method) => !others.test(method) && !called.includes(method))).toEqual([
      'meshgauge.collector.v1.RunService/CancelRun',
    ])
  })

  test.each(['grpc.health.v1.Health/Check', 'grpc.channelz.v1.Channelz/GetServers'])(
    '%s is served by both',
    async (method) => {
      for (const place of [`127.0.0.2:${agents[0]!.port}`, `127.0.0.1:${collector.port}`]) {
        const { exitCode, stderr } = await call(place, method, {})
        expect([exitCode, stderr]).toEqual([0, ''])
      }
    },
  )
})

describe('a node that does not answer', () => {
  test('is shown as silent with the reason, and a run skips only its pairs and exits with 3', async () => {
    const nodes = [
      `  - { name: n1, address: "127.0.0.2:${agents[0]!.port}" }`,
      `  - { name: n2, address: "127.0.0.3:${agents[1]!.port}" }`,
    ]
    nodes.push('  - { name: lost, address: "127.0.0.9:9", interfaces: [lo] }')
    writeFileSync(join(folder, 'silent.yaml'), ['nodes:', ...nodes].join('\n'))
    const places = ['--listen', '127.0.0.1:0', '--http', '127.0.0.1:0', '--store', join(folder, 'silent.db')]
    const service = await startService(['collector', '--config', join(folder, 'silent.yaml'), ...places])
    const meshgauge = (...args: string[]) =>
      execa(join(root, 'cli/meshgauge'), ['--collector', `127.0.0.1:${service.port}`, ...args], {
        reject: false,
      })
    const shown = await meshgauge('nodes')
    expect(shown.stdout).toMatch(/lost\s+silent.*connection refused\s+127\.0\.0\.9:9/)
    const run = await meshgauge(
      'run',
      'mesh',
      '--test',
      'ping',
      '--count',
      '2',
      '--ping-interval',
      '100ms',
      '--json',
    )
    expect(run.exitCode).toBe(3)
    type Pair = { source: { node: string }; destination: { node: string }; outcome: string; reason?: string }
    const { pairs } = JSON.parse(run.stdout) as { pairs: Pair[] }
    const own = pairs.filter(({ source, destination }) => [source.node, destination.node].includes('lost'))
    expect([pairs.length, own.length]).toEqual([6, 4])
    for (const { outcome, reason } of own)
      expect([outcome, reason]).toEqual([
        'not_run',
        expect.stringMatching(/lost does not answer: connection refused/),
      ])
    expect(pairs.filter((pair) => !own.includes(pair)).map(({ outcome }) => outcome)).toEqual([
      'measured',
      'measured',
    ])
    await service.stop('SIGTERM')
  })
})
