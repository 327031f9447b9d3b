import { describe, expect, test } from 'vitest'
import { AGENT, CHECK, collect, failureOf, PING, useAgentUnderTest } from './agent-under-test.ts'

const subject = useAgentUnderTest(25201)
const { serve, run, listen } = subject

describe('Describe', () => {
  test('reports identity, interfaces, engines and limits', async () => {
    type Description = {
      identity: { node: string }
      interfaces: { name: string }[]
      engines: { name: string; available: boolean }[]
      limits: { ports: object }
    }
    const description = await subject.client.call<Description>(AGENT, 'Describe', {})
    expect(description.identity.node).toBe('n1')
    expect(description.interfaces.map(({ name }) => name)).toEqual(['lo'])
    const available = description.engines.filter((engine) => engine.available).map(({ name }) => name)
    // netperf may be installed or not.
    expect(available.filter((name) => name !== 'netperf')).toEqual(['fping', 'ping', 'tcp', 'iperf3'])
    expect(description.limits.ports).toEqual({ first: 25201, last: 25208 })
  })
})

describe('a stream has one Started, then samples, then one Summary', () => {
  test.each(['fping', 'ping', 'tcp'])('Ping with %s', async (engine) => {
    const targets = [
      { address: '127.0.0.1', port: subject.agent.port },
      { address: '127.0.0.2', port: subject.agent.port },
    ]
    const interval = { nanos: 2e8 }
    const events = await collect(
      subject.client.stream(PING, 'Ping', {
        targets,
        engine,
        count: 4,
        interval,
        reportInterval: { nanos: 3e8 },
      }),
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

describe('measurement outcomes are data of an RPC that ends OK', () => {
  test('a port without a listener is REFUSED', async () => {
    const events = await collect(run(25208))
    expect(events.at(-1)!.summary!.results).toMatchObject([
      { outcome: 'OUTCOME_REFUSED', reason: expect.stringMatching(/refused/i) },
    ])
  })

  test('a server without a client is TIMED_OUT', async () => {
    const events = await collect(serve({ idleTimeout: { seconds: 1 } }))
    expect(events.at(-1)!.summary!.results).toMatchObject([{ outcome: 'OUTCOME_TIMED_OUT' }])
  })
})

describe('checks', () => {
  test('are listed and run', async () => {
    const { checks } = await subject.client.call<{ checks: { name: string }[] }>(CHECK, 'ListChecks', {})
    const names = checks.map(({ name }) => name)
    expect(names).toEqual([...names].sort())
    expect(names).toEqual(expect.arrayContaining(['interfaces', 'reachability']))
    type Result = { result: { status: string; reasons?: string[] } }
    const targets = { listValue: { values: [{ stringValue: '127.0.0.3' }, { stringValue: '127.0.0.4%lo' }] } }
    const { result } = await subject.client.call<Result>(CHECK, 'RunCheck', {
      check: 'reachability',
      parameters: { fields: { targets } },
    })
    expect(result.status).toBe('CHECK_STATUS_PASS')
  })

  test('refuse unknown parameters, and name all of them', async () => {
    const fields = { target: { stringValue: 'x' }, count: { numberValue: -1 } }
    const error = await failureOf(
      subject.client.call(CHECK, 'RunCheck', { check: 'reachability', parameters: { fields } }),
    )
    for (const part of ['parameters.target', 'parameters.count', 'parameters.targets'])
      expect(error.details).toContain(part)
  })
})
