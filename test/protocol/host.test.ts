import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import os, { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ServiceError, status } from '@grpc/grpc-js'
import { execaSync } from 'execa'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../testing/eventually.ts'
import { type IndependentClient, openIndependentClient } from '../testing/independent-client.ts'
import { pcpConf } from '../testing/pcp.ts'
import { measuringProgramsOf } from '../testing/process-tree.ts'
import { type ServiceProcess, startService } from '../testing/service-process.ts'

const IPERF = 'meshgauge.agent.v1.IperfService'

type Duration = { seconds?: number; nanos?: number }
type Sample = {
  interval: Duration
  cpus?: { cpu: number; busyRatio: number }[]
  interfaces: { interface: string; receivedBytes: number; sentBytes: number }[]
  memoryAvailableBytes: number
  tcpRetransmitCount: number
}
type Event = {
  event: string
  started?: { listeners?: { port: number }[] }
  hostSamples?: { samples?: Sample[]; pcpJson?: string; pcpProblem?: string }
  summary?: { results: { outcome: string; sentBytes?: number }[] }
}

const collect = async (stream: AsyncIterable<Event>): Promise<Event[]> => {
  const events: Event[] = []
  for await (const event of stream) events.push(event)
  return events
}
const secondsOf = ({ seconds = 0, nanos = 0 }: Duration) => seconds + nanos / 1e9
const samplesOf = (events: readonly Event[]) =>
  events.flatMap(({ hostSamples }) => hostSamples?.samples ?? [])
const hostOf = (events: readonly Event[]) => events.findLast(({ hostSamples }) => hostSamples)?.hostSamples

/** Folders of recordings that run or were left behind. */
const recordings = (folder: string) => readdirSync(folder).filter((name) => name.startsWith('meshgauge-pcp-'))

let temporary: string
const startAgent = (...args: string[]): Promise<ServiceProcess> => {
  const own = ['agent', '--node', 'n1', '--listen', '127.0.0.1:0', '--interface', 'lo=127.0.0.1']
  // Its own folder, so that folders of other agents do not count.
  return startService([...own, ...args], { TMPDIR: temporary, MESHGAUGE_SECRET: 'hunter2' })
}

let agent: ServiceProcess
let client: IndependentClient

beforeAll(async () => {
  temporary = mkdtempSync(join(tmpdir(), 'meshgauge-test-'))
  agent = await startAgent('--ports', '25701-25708', ...(pcpConf ? ['--program', `pcp.conf=${pcpConf}`] : []))
  client = openIndependentClient(agent.port)
})
afterEach(() =>
  eventually(
    () => [...measuringProgramsOf(agent.pid), ...recordings(temporary)],
    (found) => found.length === 0,
  ),
)
afterAll(async () => {
  client.close()
  await agent.stop('SIGTERM')
  rmSync(temporary, { recursive: true })
})

const serve = (hostSampling?: object, on: IndependentClient = client) =>
  on.stream<Event>(IPERF, 'Serve', { listeners: [{ interface: 'lo' }], hostSampling })
const run = (port: number, hostSampling?: object, options: object = {}, on: IndependentClient = client) =>
  on.stream<Event>(IPERF, 'Run', {
    flows: [{ address: '127.0.0.1', port, interface: 'lo' }],
    options: { duration: { seconds: 1 }, bitsPerSecond: 5e7, ...options },
    hostSampling,
  })

/** Runs both endpoints of one test with the same sampling. */
const measure = async (hostSampling: object, options: object = {}, on: IndependentClient = client) => {
  const server = serve(hostSampling, on)[Symbol.asyncIterator]()
  const first = (await server.next()).value as Event
  const served: Event[] = [first]
  const rest = (async () => {
    for (let next = await server.next(); !next.done; next = await server.next())
      served.push(next.value as Event)
  })()
  const ran = await collect(run(first.started!.listeners![0]!.port, hostSampling, options, on))
  await rest
  return { served, ran }
}

describe('Describe', () => {
  test('reports the hardware of the node, and nothing from its environment', async () => {
    type Description = { metadata: Record<string, unknown> }
    const description = await client.call<Description>('meshgauge.agent.v1.AgentService', 'Describe', {})
    const { metadata } = description
    expect(metadata).toMatchObject({
      architecture: execaSync('uname', ['-m']).stdout,
      kernel: execaSync('uname', ['-r']).stdout,
      fqdn: expect.stringContaining(os.hostname()),
      memoryBytes: os.totalmem(),
    })
    expect(metadata.cpuModel).toBe(os.cpus()[0]!.model)
    const threads =
      Number(metadata.cpuSocketCount) *
      Number(metadata.cpuCoresPerSocketCount) *
      Number(metadata.cpuThreadsPerCoreCount)
    expect(threads).toBe(os.cpus().length)
    expect(JSON.stringify(description)).not.toMatch(/hunter2|MESHGAUGE_SECRET/)
  })
})

describe('samples of the host', () => {
  test('are sent by both endpoints between Started and Summary, and cover the test without a gap', async () => {
    const { served, ran } = await measure({ interval: { nanos: 2e8 } })
    for (const events of [served, ran]) {
      const kinds = events.map(({ event }) => event)
      expect(kinds[0]).toBe('started')
      expect(kinds.at(-1)).toBe('summary')
      expect(kinds).toContain('hostSamples')
      const samples = samplesOf(events)
      const covered = samples.reduce((sum, { interval }) => sum + secondsOf(interval), 0)
      expect(covered).toBeGreaterThanOrEqual(1)
      // Their number depends on the load of the machine; the last one ends with the test.
      expect(samples.length).toBeGreaterThan(1)
      expect(samples.slice(0, -1).some(({ interval }) => secondsOf(interval) < 0.5)).toBe(true)
      for (const { cpus = [], interfaces, memoryAvailableBytes, tcpRetransmitCount } of samples) {
        expect(interfaces.map((each) => each.interface)).toEqual(['lo'])
        expect(memoryAvailableBytes).toBeGreaterThan(0)
        expect(tcpRetransmitCount).toBeTypeOf('number')
        for (const { busyRatio = 0 } of cpus) expect(busyRatio >= 0 && busyRatio <= 1).toBe(true)
      }
      // iperf3 sent over lo, which other programs may use too.
      const sent = ran.at(-1)!.summary!.results[0]!.sentBytes!
      const received = samples.reduce((sum, { interfaces }) => sum + (interfaces[0]!.receivedBytes ?? 0), 0)
      expect(received).toBeGreaterThanOrEqual(0.98 * sent)
    }
  })

  test('are not taken without a request', async () => {
    const server = serve()[Symbol.asyncIterator]()
    const first = (await server.next()).value as Event
    const events = await collect(run(first.started!.listeners![0]!.port))
    expect(events.map(({ event }) => event)).not.toContain('hostSamples')
    expect((await server.next()).value).toMatchObject({ event: 'summary' })
  })

  test.each([
    ['Serve', () => collect(serve({ interval: { nanos: 5e7 } }))],
    ['Run', () => collect(run(25308, { interval: { nanos: 5e7 } }))],
  ])('%s refuses an interval that is too short for the kernel', async (_name, work) => {
    const error: ServiceError = await work().then(
      () => Promise.reject(new Error('it did not fail')),
      (failure: ServiceError) => failure,
    )
    expect(error.code).toBe(status.INVALID_ARGUMENT)
    expect(error.details).toContain('host_sampling.interval: 0.05 s is too short; at least 0.1 s')
  })
})

const PCP = { interval: { nanos: 5e8 }, source: 'HOST_SOURCE_PCP' }
type Instances = { '@instances': { name: string; value: number }[] }
type PcpSample = {
  '@timestamp': string
  kernel?: { cpu?: { util?: { user?: { value: number } } } }
  network?: { interface?: { in?: Record<string, Instances> }; tcp?: { retranssegs?: { value: number } } }
}
const pcpSamples = (json: string): PcpSample[] => JSON.parse(json)['@pcp']['@hosts'][0]['@metrics']

const describePcp = (name: string, tests: () => void) =>
  pcpConf
    ? describe(name, tests)
    : describe.skip(`${name} (skipped: Performance Co-Pilot is not installed)`, tests)

describePcp('Performance Co-Pilot', () => {
  test('pmcd, pmlogger and pcp2json record both endpoints with their interfaces', async () => {
    const { served, ran } = await measure(PCP, { duration: { seconds: 2 } })
    for (const events of [served, ran]) {
      const host = hostOf(events)!
      expect(host.pcpProblem ?? '').toBe('')
      const samples = pcpSamples(host.pcpJson!)
      expect(samples.length).toBeGreaterThanOrEqual(4)
      expect(samples[1]!['@timestamp']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
      const last = samples.at(-2)!
      expect(Object.keys(last.network!.interface!.in!).sort()).toEqual([
        'bytes',
        'drops',
        'errors',
        'packets',
      ])
      const lo = last.network!.interface!.in!.bytes!['@instances'].find(({ name }) => name === 'lo')!
      // 50 Mbit/s, and the traffic of other programs over lo.
      expect(lo.value).toBeGreaterThan(5e6)
      expect(last.network!.tcp!.retranssegs!.value).toBeTypeOf('number')
      expect(last.kernel!.cpu!.util!.user!.value).toBeTypeOf('number')
      expect(samplesOf(events).length).toBeGreaterThanOrEqual(4)
    }
  })

  test('a test that is shorter than the interval has samples too', async () => {
    const bytes = { duration: undefined, bytes: 1e6, bitsPerSecond: 0 }
    const { ran } = await measure({ source: 'HOST_SOURCE_PCP' }, bytes)
    const host = hostOf(ran)!
    expect(host.pcpProblem ?? '').toBe('')
    const samples = pcpSamples(host.pcpJson!)
    expect(samples.some(({ network }) => network?.interface?.in?.bytes)).toBe(true)
  })

  test('recording ends with its stream, also after a cancellation, and removes the folders of killed agents', async () => {
    const left = join(temporary, 'meshgauge-pcp-left')
    mkdirSync(left)
    utimesSync(left, 0, 0)
    const stream = serve(PCP)
    const { value } = await stream[Symbol.asyncIterator]().next()
    expect((value as Event).event).toBe('started')
    const running = measuringProgramsOf(agent.pid).map(({ command }) =>
      command.split(' ')[0]!.split('/').at(-1),
    )
    expect(running.sort()).toEqual(['iperf3', 'pmcd', 'pmlogger'])
    expect(recordings(temporary)).toHaveLength(1)
    stream.cancel()
    // The check after each test covers the processes.
  })
})

describe('where Performance Co-Pilot is missing or broken', () => {
  /** An installation with programs that the test writes. */
  const installation = (name: string, programs: Record<string, string>): string => {
    const folder = join(temporary, name)
    for (const path of ['bin', 'linux', 'pmns', 'pmrep']) mkdirSync(join(folder, path), { recursive: true })
    for (const path of ['linux/pmda_linux.so', 'pmns/root_linux']) writeFileSync(join(folder, path), '')
    for (const [program, script] of Object.entries(programs)) {
      writeFileSync(join(folder, 'bin', program), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
    }
    const conf = ['BINADM_DIR=bin', 'BIN_DIR=bin', 'PMDAS_DIR=', 'VAR_DIR=', 'SYSCONF_DIR=']
    const lines = conf.map((line) => `PCP_${line.replace('=', `=${folder}/`)}`.replace(/\/$/, ''))
    writeFileSync(join(folder, 'pcp.conf'), `${lines.join('\n')}\n`)
    return join(folder, 'pcp.conf')
  }
  const all = (pmcd: string) => ({ pmcd, pmlogger: 'exit 0', pcp2json: 'exit 0', pmpython: 'exit 0' })

  test.each([
    [
      'not installed',
      () => '/nowhere/pcp.conf',
      /^Performance Co-Pilot is not installed, there is no \/nowhere\/pcp\.conf: install/,
    ],
    [
      'incomplete',
      () => installation('half', { pmcd: 'exit 0' }),
      /^Performance Co-Pilot lacks \S+\/pmlogger, \S+pcp2json, \S+pmpython: install/,
    ],
    [
      'ending early',
      () => installation('dying', all('echo no shared memory >&2; exit 7')),
      /^pmcd ended with exit code 7: no shared memory$/,
    ],
    ['hanging', () => installation('hanging', all('sleep 1000')), /^pmcd was not ready within 3 s$/],
  ])('%s: reports the problem, and continues to sample /proc', async (_name, conf, problem) => {
    const other = await startAgent('--ports', '25709-25712', '--program', `pcp.conf=${conf()}`)
    const others = openIndependentClient(other.port)
    try {
      const { served, ran } = await measure(PCP, {}, others)
      for (const events of [served, ran]) {
        expect(hostOf(events)).toMatchObject({ pcpProblem: expect.stringMatching(problem) })
        expect(samplesOf(events).length).toBeGreaterThan(1)
        expect(events.at(-1)!.summary!.results[0]!.outcome).toBe('OUTCOME_MEASURED')
      }
      expect(measuringProgramsOf(other.pid)).toEqual([])
    } finally {
      others.close()
      await other.stop('SIGTERM')
    }
  })
})
