import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { type ServiceError, status } from '@grpc/grpc-js'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { eventually, processes, programsOf } from './descendants.ts'
import { type IndependentClient, openIndependentClient } from './independent-client.ts'
import { type ServiceProcess, startAgent } from './service-process.ts'

const AGENT = 'meshgauge.agent.v1.AgentService'
const CHECK = 'meshgauge.agent.v1.CheckService'
const PING = 'meshgauge.agent.v1.PingService'
const IPERF = 'meshgauge.agent.v1.IperfService'

type Event = {
  event: string
  started?: { listeners?: { port: number }[] }
  summary?: { results: { outcome: string; reason: string }[] }
}

const collect = async (stream: AsyncIterable<unknown>): Promise<Event[]> => {
  const events: Event[] = []
  for await (const event of stream) events.push(event as Event)
  return events
}

const failureOf = async (work: Promise<unknown>): Promise<ServiceError> =>
  work.then(
    () => {
      throw new Error('it did not fail')
    },
    (error: ServiceError) => error,
  )

/** google.rpc.ErrorInfo.reason, found in the details as plain bytes. */
const reasonOf = (error: ServiceError): string => {
  const details = Buffer.concat((error.metadata.get('grpc-status-details-bin') as Buffer[]) ?? [])
  return /[A-Z]+_[A-Z_]+[A-Z]/.exec(details.toString('latin1').replace(error.details, ''))?.[0] ?? ''
}

let agent: ServiceProcess
let client: IndependentClient

beforeAll(async () => {
  agent = await startAgent('--ports', '25201-25208', '--max-duration', '60s', '--max-bitrate', '2G')
  client = openIndependentClient(agent.port)
})
afterEach(() =>
  eventually(
    () => programsOf(agent.pid),
    (found) => found.length === 0,
  ),
)
afterAll(async () => {
  client.close()
  await agent.stop('SIGTERM')
})

const serve = (request: object) =>
  client.stream<Event>(IPERF, 'Serve', { listeners: [{ interface: 'lo' }], ...request })
const run = (port: number, options: object = {}) =>
  client.stream<Event>(IPERF, 'Run', {
    flows: [{ address: '127.0.0.1', port, interface: 'lo' }],
    options: { duration: { seconds: 1 }, bitsPerSecond: 5e7, ...options },
  })

/** Serves, and resolves with the port once it listens; the rest of the stream goes on by itself. */
const listen = async (request: object = {}) => {
  const stream = serve(request)
  const iterator = stream[Symbol.asyncIterator]()
  const { value } = await iterator.next()
  const rest = (async () => {
    const events: Event[] = []
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) events.push(next.value)
    return events
  })()
  return { port: (value as Event).started!.listeners![0]!.port, rest, cancel: () => stream.cancel() }
}

describe('Describe', () => {
  test('tells identity, interfaces, engines and limits', async () => {
    type Description = {
      identity: { node: string }
      interfaces: { name: string }[]
      engines: { name: string; available: boolean }[]
      limits: { ports: object }
    }
    const description = await client.call<Description>(AGENT, 'Describe', {})
    expect(description.identity.node).toBe('n1')
    expect(description.interfaces.map(({ name }) => name)).toEqual(['lo'])
    const available = description.engines.filter((engine) => engine.available).map(({ name }) => name)
    // netperf is there or not.
    expect(available.filter((name) => name !== 'netperf')).toEqual(['fping', 'ping', 'tcp', 'iperf3'])
    expect(description.limits.ports).toEqual({ first: 25201, last: 25208 })
  })
})

describe('a stream is one Started, then samples, then one Summary', () => {
  test.each(['fping', 'ping', 'tcp'])('Ping with %s', async (engine) => {
    const targets = [
      { address: '127.0.0.1', port: agent.port },
      { address: '127.0.0.2', port: agent.port },
    ]
    const interval = { nanos: 2e8 }
    const events = await collect(
      client.stream(PING, 'Ping', { targets, engine, count: 4, interval, reportInterval: { nanos: 3e8 } }),
    )
    const kinds = events.map(({ event }) => event)
    expect(kinds[0]).toBe('started')
    expect(kinds.at(-1)).toBe('summary')
    expect(new Set(kinds.slice(1, -1))).toEqual(new Set(['windows']))
    expect(events.at(-1)!.summary!.results[0]!.outcome).toBe('OUTCOME_MEASURED')
  })

  test('Serve and Run', async () => {
    const server = await listen()
    const events = await collect(run(server.port, { interval: { nanos: 2e8 } }))
    const kinds = events.map(({ event }) => event)
    expect(kinds[0]).toBe('started')
    expect(kinds.at(-1)).toBe('summary')
    expect(kinds.filter((kind) => kind === 'samples').length).toBeGreaterThan(1)
    expect(events.at(-1)!.summary!.results).toMatchObject([{ outcome: 'OUTCOME_MEASURED' }])
    expect((await server.rest).map(({ event }) => event)).toEqual(['summary'])
  })
})

describe('streams are leases', () => {
  test('cancelling Serve ends the server', async () => {
    const server = await listen()
    expect(programsOf(agent.pid)).toHaveLength(1)
    const rest = failureOf(server.rest)
    server.cancel()
    expect((await rest).code).toBe(status.CANCELLED)
  })

  test('cancelling a continuous Ping ends the pinger', async () => {
    const stream = client.stream<Event>(PING, 'Ping', {
      targets: [{ address: '127.0.0.1' }],
      continuous: true,
    })
    for await (const { event } of stream) if (event === 'windows') break
    stream.cancel()
  })

  test('kill -9 of the agent ends everything it started', async () => {
    const victim = await startAgent('--ports', '25301-25308')
    const own = openIndependentClient(victim.port)
    const pinging = collect(
      own.stream(PING, 'Ping', { targets: [{ address: '127.0.0.1' }], continuous: true }),
    ).catch(() => [])
    const serving = collect(
      own.stream(IPERF, 'Serve', { listeners: [{ interface: 'lo' }, { interface: 'lo' }] }),
    ).catch(() => [])
    const started = await eventually(
      () => programsOf(victim.pid),
      (found) => found.length === 3,
    )
    await victim.stop('SIGKILL')
    const pids = started.map(({ pid }) => pid)
    await eventually(
      () => processes().filter(({ pid }) => pids.includes(pid)),
      (found) => found.length === 0,
    )
    await Promise.all([pinging, serving])
    own.close()
  })

  test('SIGTERM ends streams with AGENT_DRAINING and leaves nothing', async () => {
    const victim = await startAgent('--ports', '25301-25308')
    const own = openIndependentClient(victim.port)
    const pinging = failureOf(
      collect(own.stream(PING, 'Ping', { targets: [{ address: '127.0.0.1' }], continuous: true })),
    )
    const started = await eventually(
      () => programsOf(victim.pid),
      (found) => found.length === 1,
    )
    await victim.stop('SIGTERM')
    const error = await pinging
    expect(error.code).toBe(status.UNAVAILABLE)
    expect(processes().filter(({ pid }) => pid === started[0]!.pid)).toEqual([])
    own.close()
  })
})

describe('admission', () => {
  test('a second exclusive test on the same interface and direction is AGENT_BUSY, the other direction is not', async () => {
    const first = await listen()
    const error = await failureOf(collect(serve({})))
    expect([error.code, reasonOf(error)]).toEqual([status.ABORTED, 'AGENT_BUSY'])
    expect(error.details).toMatch(/lo rx is in use by a test of /)
    const other = await listen({ direction: 'DIRECTION_REVERSE' })
    other.cancel()
    first.cancel()
    await Promise.allSettled([first.rest, other.rest])
  })

  test('shared servers run side by side, until the ports are used up', async () => {
    const many = {
      listeners: Array.from({ length: 8 }, () => ({ interface: 'lo' })),
      admission: 'ADMISSION_SHARED',
    }
    const eight = await listen(many)
    const error = await failureOf(collect(serve({ admission: 'ADMISSION_SHARED' })))
    expect([error.code, reasonOf(error)]).toEqual([status.RESOURCE_EXHAUSTED, 'PORTS_EXHAUSTED'])
    eight.cancel()
    await Promise.allSettled([eight.rest])
  })
})

describe('ports', () => {
  test('one that another program has is passed over', async () => {
    const squatters = [25201, 25202, 25203].map((port) => createServer().listen(port, '127.0.0.1'))
    const servers = await Promise.all(
      Array.from({ length: 3 }, () => listen({ admission: 'ADMISSION_SHARED' })),
    )
    for (const { port } of servers) expect([25201, 25202, 25203]).not.toContain(port)
    for (const { cancel } of servers) cancel()
    await Promise.allSettled(servers.map(({ rest }) => rest))
    for (const squatter of squatters) squatter.close()
  })

  test('a certain one that is taken is PORTS_EXHAUSTED', async () => {
    const squatter = createServer().listen(25207, '127.0.0.1')
    const error = await failureOf(collect(serve({ listeners: [{ interface: 'lo', port: 25207 }] })))
    expect(reasonOf(error)).toBe('PORTS_EXHAUSTED')
    squatter.close()
  })
})

describe('bad requests', () => {
  test('every violation is listed', async () => {
    const targets = [{ address: 'gpu-01' }, { address: '127.0.0.1' }, { address: '-c5' }]
    const error = await failureOf(
      collect(client.stream(PING, 'Ping', { targets, ttl: 999, tos: 300, interface: 'eth9' })),
    )
    expect([error.code, reasonOf(error)]).toEqual([status.INVALID_ARGUMENT, 'SPEC_INVALID'])
    for (const field of ['targets[0].address', 'targets[2].address', 'ttl', 'tos', 'interface'])
      expect(error.details).toContain(field)
  })

  test('a shell in a field is refused and not run', async () => {
    const file = `/tmp/meshgauge-pwned-${process.pid}`
    const shell = `$(touch ${file}); touch ${file}`
    const errors = await Promise.all([
      failureOf(collect(run(25201, { congestionControl: shell }))),
      failureOf(collect(client.stream(PING, 'Ping', { targets: [{ address: shell }] }))),
      failureOf(collect(serve({ listeners: [{ interface: shell }] }))),
      failureOf(collect(client.stream(PING, 'Ping', { targets: [{ address: '127.0.0.1' }], engine: shell }))),
      failureOf(client.call(CHECK, 'RunCheck', { check: shell })),
    ])
    expect(errors.map(({ code }) => code)).toEqual(Array(5).fill(status.INVALID_ARGUMENT))
    expect(existsSync(file)).toBe(false)
  })

  test.each([
    [
      'a peer outside',
      PING,
      'Ping',
      { targets: [{ address: '192.0.2.1' }] },
      'PEER_NOT_ALLOWED',
      status.PERMISSION_DENIED,
    ],
    [
      'an absurd duration',
      IPERF,
      'Run',
      {
        flows: [{ address: '127.0.0.1', port: 25201 }],
        options: { duration: { seconds: 3600 }, bitsPerSecond: 1e6 },
      },
      'LIMIT_EXCEEDED',
      status.RESOURCE_EXHAUSTED,
    ],
    [
      'an absurd rate',
      IPERF,
      'Run',
      { flows: [{ address: '127.0.0.1', port: 25201 }], options: { bitsPerSecond: 1e15 } },
      'LIMIT_EXCEEDED',
      status.RESOURCE_EXHAUSTED,
    ],
    [
      'no ceiling where there is one',
      IPERF,
      'Run',
      { flows: [{ address: '127.0.0.1', port: 25201 }] },
      'LIMIT_EXCEEDED',
      status.RESOURCE_EXHAUSTED,
    ],
    [
      'an interval of nothing',
      PING,
      'Ping',
      { targets: [{ address: '127.0.0.1' }], interval: { nanos: 5e6 } },
      'SPEC_INVALID',
      status.INVALID_ARGUMENT,
    ],
  ])('%s', async (_, service, name, request, reason, code) => {
    const error = await failureOf(collect(client.stream(service, name, request)))
    expect([reasonOf(error), error.code]).toEqual([reason, code])
  })

  test('an engine that is not installed is ENGINE_UNAVAILABLE with what to do', async () => {
    const lame = await startAgent(
      '--program',
      'iperf3=/nonexistent/iperf3',
      '--program',
      'fping=/nonexistent/fping',
    )
    const own = openIndependentClient(lame.port)
    const serving = await failureOf(collect(own.stream(IPERF, 'Serve', { listeners: [{ interface: 'lo' }] })))
    expect([serving.code, reasonOf(serving)]).toEqual([status.FAILED_PRECONDITION, 'ENGINE_UNAVAILABLE'])
    expect(serving.details).toMatch(/iperf3/)
    const pinging = await failureOf(
      collect(own.stream(PING, 'Ping', { targets: [{ address: '127.0.0.1' }] })),
    )
    expect(reasonOf(pinging)).toBe('ENGINE_UNAVAILABLE')
    own.close()
    await lame.stop('SIGTERM')
  })

  test('a port that is in use is said in one line, exit 2', async () => {
    const second = startAgent('--listen', `127.0.0.1:${agent.port}`)
    await expect(second).rejects.toThrow(/cannot listen on 127\.0\.0\.1:\d+/)
  })
})

describe('measurement outcomes are data, the RPC is OK', () => {
  test('nobody listens: REFUSED', async () => {
    const events = await collect(run(25208))
    expect(events.at(-1)!.summary!.results).toMatchObject([
      { outcome: 'OUTCOME_REFUSED', reason: expect.stringMatching(/refused/i) },
    ])
  })

  test('no client comes: TIMED_OUT', async () => {
    const events = await collect(serve({ idleTimeout: { seconds: 1 } }))
    expect(events.at(-1)!.summary!.results).toMatchObject([{ outcome: 'OUTCOME_TIMED_OUT' }])
  })
})

describe('checks', () => {
  test('are listed, and pass here', async () => {
    const { checks } = await client.call<{ checks: { name: string }[] }>(CHECK, 'ListChecks', {})
    const names = checks.map(({ name }) => name)
    expect(names).toEqual([...names].sort())
    expect(names).toEqual(expect.arrayContaining(['interfaces', 'reachability']))
    type Result = { result: { status: string; reasons?: string[] } }
    const targets = { listValue: { values: [{ stringValue: '127.0.0.3' }, { stringValue: '127.0.0.4%lo' }] } }
    const { result } = await client.call<Result>(CHECK, 'RunCheck', {
      check: 'reachability',
      parameters: { fields: { targets } },
    })
    expect(result.status).toBe('CHECK_STATUS_PASS')
  })

  test('unknown parameters are refused, all at once', async () => {
    const fields = { target: { stringValue: 'x' }, count: { numberValue: -1 } }
    const error = await failureOf(
      client.call(CHECK, 'RunCheck', { check: 'reachability', parameters: { fields } }),
    )
    for (const part of ['parameters.target', 'parameters.count', 'parameters.targets'])
      expect(error.details).toContain(part)
  })
})
