/** The behaviour that every ping engine has in common, with real programs on loopback. */

import { createServer, type Server } from 'node:net'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PingRequest } from '#proto/meshgauge/agent/v1/ping.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { systemClock } from '../../lib/clock.ts'
import { parseIpPrefix } from '../../lib/ip-address.ts'
import { createProcesses } from '../processes.ts'
import { EngineError, type EngineOptions, type PingProbe } from './engine.ts'
import { createEngines } from './engines.ts'
import { createTargetResult } from './statistics.ts'

const program = (name: string) => fileURLToPath(new URL(`./fixtures/programs/${name}`, import.meta.url))
const processes = createProcesses(
  { logger: pino({ level: 'silent' }), clock: systemClock },
  { graceSeconds: 0.05 },
)
const nowhere = { interface: '', addresses: [] }
const never = new AbortController().signal

/** Listens on 127.0.0.1 and 127.0.0.2, for engine tcp. */
let server: Server
let agentPort = 0
beforeAll(async () => {
  server = createServer((socket) => socket.on('error', () => socket.destroy()))
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve))
  const address = server.address()
  if (typeof address === 'object' && address) agentPort = address.port
})
afterAll(async () => {
  server.close()
  await processes.close()
})

const engineOf = (name: string, programs: EngineOptions['programs'] = {}) =>
  createEngines({ processes, clock: systemClock }, { agentPort, programs }).ping.get(name)!

const request = (fields: Parameters<typeof PingRequest.fromPartial>[0]) =>
  PingRequest.fromPartial({ interval: { nanos: 20_000_000 }, timeout: { nanos: 500_000_000 }, ...fields })

const collect = async (probes: AsyncIterable<PingProbe>) => {
  const all: PingProbe[] = []
  for await (const probe of probes) all.push(probe)
  return all
}
const failureOf = async (probes: AsyncIterable<PingProbe>) =>
  collect(probes).then(
    () => undefined,
    (error: unknown) => error,
  )

describe.each(['fping', 'ping', 'tcp'])('%s', (name) => {
  test('is detected', async () => {
    expect(await engineOf(name).detect(never)).toEqual({
      available: true,
      version: expect.stringMatching(/./),
      reasons: [],
    })
  })

  test('probes each target', async () => {
    const addresses = ['127.0.0.1', '127.0.0.2', '127.0.0.3']
    const targets = addresses.map((address) => ({ address }))
    const probes = await collect(engineOf(name).ping(request({ targets, count: 3 }), nowhere, never))
    for (const index of addresses.keys()) {
      const own = probes.filter((probe) => probe.targetIndex === index)
      expect(own).toHaveLength(3)
      for (const probe of own) {
        expect(probe).toMatchObject({ refused: false, reason: '', rttSeconds: expect.any(Number) })
        expect(probe.rttSeconds).toBeGreaterThan(0)
        expect(probe.rttSeconds).toBeLessThan(0.5)
      }
    }
  })

  test('refuses the same target twice, in any spelling, and names the field', () => {
    const violationsOf = (targets: { address: string; port?: number }[]) =>
      engineOf(name).validate(request({ targets, count: 1 }))
    const description = expect.stringContaining('is also targets[0]')
    const addresses = ['fd00::1', '10.0.0.1', 'FD00:0:0::0001']
    expect(violationsOf(addresses.map((address) => ({ address })))).toEqual([
      { field: 'targets[2].address', description },
    ])
    const ports = violationsOf(
      [undefined, agentPort].map((port) => ({ address: '10.0.0.1', ...(port && { port }) })),
    )
    expect(ports).toEqual(name === 'tcp' ? [] : [{ field: 'targets[1].address', description }])
  })

  test('binds to the interface that is named', async () => {
    const targets = [{ address: '127.0.0.1' }]
    const source = { interface: 'lo', addresses: [parseIpPrefix('127.0.0.1/8')!, parseIpPrefix('::1/128')!] }
    const probes = await collect(engineOf(name).ping(request({ targets, count: 2 }), source, never))
    expect(probes.map((probe) => probe.rttSeconds)).toEqual([expect.any(Number), expect.any(Number)])
  })

  test('an address that this node does not have is an engine error, not a loss', async () => {
    const targets = [{ address: '127.0.0.1' }]
    const source = { interface: '', addresses: [parseIpPrefix('203.0.113.77')!] }
    const error = await failureOf(engineOf(name).ping(request({ targets, count: 2 }), source, never))
    expect(error).toBeInstanceOf(EngineError)
    expect(error).toMatchObject({ kind: 'address-missing', outcome: Outcome.OUTCOME_NOT_RUN })
  })

  test('a continuous ping yields each probe as it arrives, until aborted', async () => {
    const controller = new AbortController()
    const reason = new Error('the caller went away')
    // The interval is long: only the first probes are sent before the test ends.
    const slow = request({
      targets: [{ address: '127.0.0.1' }],
      continuous: true,
      interval: { seconds: 3600 },
    })
    const seen: PingProbe[] = []
    const run = async () => {
      for await (const probe of engineOf(name).ping(slow, nowhere, controller.signal)) {
        seen.push(probe)
        controller.abort(reason)
      }
    }
    await expect(run()).rejects.toBe(reason)
    expect(seen).toHaveLength(1)
  })

  test('ends when its caller stops reading, also between two probes', async () => {
    const targets = [{ address: '127.0.0.1' }]
    const slow = request({ targets, continuous: true, interval: { seconds: 3600 } })
    for await (const probe of engineOf(name).ping(slow, nowhere, never)) {
      expect(probe.rttSeconds).toBeDefined()
      break
    }
  })

  test('a call that is aborted before it begins starts nothing', async () => {
    const targets = [{ address: '127.0.0.1' }]
    const aborted = AbortSignal.abort(new Error('too late'))
    const error = await failureOf(engineOf(name).ping(request({ targets }), nowhere, aborted))
    expect(error).toMatchObject({ message: 'too late' })
  })

  test('names all violations of a request', () => {
    const bad = request({
      targets: [{ address: 'example.org' }, { address: '-f', port: 70000 }],
      interface: '-x',
      count: 0,
      interval: { nanos: 1 },
      timeout: { seconds: -1 },
      sizeBytes: 70000,
      ttl: 256,
      tos: 256,
    })
    const fields = engineOf(name)
      .validate(bad)
      .map((violation) => violation.field)
    expect(new Set(fields)).toEqual(
      new Set([
        'targets[0].address',
        'targets[1].address',
        'targets[1].port',
        'interface',
        'count',
        'interval',
        'timeout',
        'size_bytes',
        'ttl',
        'tos',
      ]),
    )
    expect(engineOf(name).validate(request({ targets: [] }))).toEqual([
      { field: 'targets', description: expect.any(String) },
    ])
    expect(engineOf(name).validate(request({ targets: [{ address: 'fe80::1%lo' }] }))).toEqual([])
  })
})

describe.each(['fping', 'ping'])('%s with a program that misbehaves', (name) => {
  const pingWith = (file: string, fields: Parameters<typeof request>[0] = {}) =>
    failureOf(
      engineOf(name, { [name]: file }).ping(
        request({ targets: [{ address: '127.0.0.1' }], count: 1, ...fields }),
        nowhere,
        never,
      ),
    )

  test.each([
    [
      'rubbish',
      'failed',
      Outcome.OUTCOME_INVALID,
      /without its summary; it wrote: Segmentation fault\? \[ 5 \]/,
    ],
    ['floods', 'failed', Outcome.OUTCOME_INVALID, /unexpected output: 1234567890|it wrote more/],
    ['floods-stderr', 'failed', Outcome.OUTCOME_INVALID, /unexpected output: 1234567890|it wrote more/],
    ['one-long-line', 'failed', Outcome.OUTCOME_INVALID, /line of over/],
    ['fails-at-once', 'failed', Outcome.OUTCOME_INVALID, /exit code 3: cannot do this/],
    ['dies', 'failed', Outcome.OUTCOME_INVALID, /ended by SIGSEGV/],
  ])('%s', async (file, kind, outcome, reason) => {
    const error = await pingWith(program(file))
    expect(error).toBeInstanceOf(EngineError)
    expect(error).toMatchObject({ kind, outcome, message: expect.stringMatching(reason) })
    expect(error).toMatchObject({ programFault: { program: name, problem: expect.stringMatching(/./) } })
    const endless = await pingWith(program(file), { continuous: true })
    expect(endless).toMatchObject({ kind, message: expect.stringMatching(reason) })
  })

  test('reports that it is not installed', async () => {
    const error = await pingWith('/nonexistent/program')
    expect(error).toMatchObject({ kind: 'unavailable', outcome: Outcome.OUTCOME_INVALID })
    expect(await engineOf(name, { [name]: '/nonexistent/program' }).detect(never)).toEqual({
      available: false,
      version: '',
      reasons: [expect.stringMatching(/not installed: install it with `apt-get install/)],
    })
  })

  test('reports all reasons why it is not available', async () => {
    const detection = await engineOf(name, { [name]: program('fails-at-once') }).detect(never)
    expect(detection).toEqual({
      available: false,
      version: '',
      reasons: [
        expect.stringMatching(/does not report its version; it wrote: cannot do this/),
        expect.stringMatching(/cannot probe the loopback of this node: .*cannot do this/),
      ],
    })
  })
})

test('tcp connects only to declared ports, so that it is no port scanner', () => {
  const engine = createEngines(
    { processes, clock: systemClock },
    { agentPort: 50_051, tcpPorts: [443], programs: {} },
  ).ping.get('tcp')!
  const targets = [22, 443, 50_051, 80].map((port) => ({ address: '10.0.0.1', port }))
  expect(engine.validate(request({ targets, count: 1 }))).toEqual([
    {
      field: 'targets[0].port',
      description: expect.stringContaining('22 is not a port that this agent declares (50051, 443)'),
    },
    { field: 'targets[3].port', description: expect.stringContaining('80 is not a port') },
  ])
})

test('tcp: a closed port is a refusal with a round-trip time', async () => {
  const targets = [{ address: '127.0.0.1', port: 1 }]
  const probes = await collect(engineOf('tcp').ping(request({ targets, count: 2 }), nowhere, never))
  const result = createTargetResult(0)
  for (const probe of probes) {
    expect(probe).toMatchObject({ refused: true, rttSeconds: expect.any(Number) })
    result.add(probe)
  }
  expect(result.result()).toMatchObject({ outcome: Outcome.OUTCOME_REFUSED, reason: 'connection refused' })
})
