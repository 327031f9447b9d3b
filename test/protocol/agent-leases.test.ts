import { once } from 'node:events'
import { createServer } from 'node:net'
import { status } from '@grpc/grpc-js'
import { describe, expect, test } from 'vitest'
import { eventually } from '../testing/eventually.ts'
import { openIndependentClient } from '../testing/independent-client.ts'
import { measuringProgramsOf, processes } from '../testing/process-tree.ts'
import { startAgent } from '../testing/service-process.ts'
import {
  collect,
  detailsOf,
  type Event,
  failureOf,
  IPERF,
  PING,
  reasonOf,
  useAgentUnderTest,
} from './agent-under-test.ts'

const subject = useAgentUnderTest(27201)
const { serve, listen } = subject

describe('streams are leases', () => {
  test('cancelling Serve ends the server', async () => {
    const server = await listen()
    expect(measuringProgramsOf(subject.agent.pid)).toHaveLength(1)
    const rest = failureOf(server.rest)
    server.cancel()
    expect((await rest).code).toBe(status.CANCELLED)
  })

  test('cancelling a continuous Ping ends the pinger', async () => {
    const stream = subject.client.stream<Event>(PING, 'Ping', {
      targets: [{ address: '127.0.0.1' }],
      continuous: true,
    })
    for await (const { event } of stream) if (event === 'windows') break
    stream.cancel()
  })

  test('kill -9 of the agent ends all programs that it started', async () => {
    const victim = await startAgent('--ports', '25301-25308')
    const own = openIndependentClient(victim.port)
    const pinging = collect(
      own.stream(PING, 'Ping', { targets: [{ address: '127.0.0.1' }], continuous: true }),
    ).catch(() => [])
    const serving = collect(
      own.stream(IPERF, 'Serve', { listeners: [{ interface: 'lo' }, { interface: 'lo' }] }),
    ).catch(() => [])
    const started = await eventually(
      () => measuringProgramsOf(victim.pid),
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

  test('SIGTERM ends streams with AGENT_DRAINING and leaves no process', async () => {
    const victim = await startAgent('--ports', '25301-25308')
    const own = openIndependentClient(victim.port)
    const pinging = failureOf(
      collect(own.stream(PING, 'Ping', { targets: [{ address: '127.0.0.1' }], continuous: true })),
    )
    const started = await eventually(
      () => measuringProgramsOf(victim.pid),
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
  test('a second exclusive test on an interface and direction is AGENT_BUSY; one in the other direction runs', async () => {
    const first = await listen()
    const error = await failureOf(collect(serve({})))
    expect([error.code, reasonOf(error)]).toEqual([status.ABORTED, 'AGENT_BUSY'])
    expect(error.details).toMatch(/lo rx is in use by a test of /)
    // RetryInfo with a Duration.
    expect(detailsOf(error).toString('latin1')).toContain('google.rpc.RetryInfo')
    const other = await listen({ direction: 'DIRECTION_REVERSE' })
    other.cancel()
    first.cancel()
    await Promise.allSettled([first.rest, other.rest])
  })

  test('shared servers run at the same time until no port is left', async () => {
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
  test('skips a port that another program uses', async () => {
    const listeners = [27201, 27202, 27203].map((port) => createServer().listen(port, '127.0.0.1'))
    await Promise.all(listeners.map((listener) => once(listener, 'listening')))
    const servers = await Promise.all(
      Array.from({ length: 3 }, () => listen({ admission: 'ADMISSION_SHARED' })),
    )
    for (const { port } of servers) expect([27201, 27202, 27203]).not.toContain(port)
    for (const { cancel } of servers) cancel()
    await Promise.allSettled(servers.map(({ rest }) => rest))
    for (const listener of listeners) listener.close()
  })

  test('a requested port that is in use is PORTS_EXHAUSTED', async () => {
    const listener = createServer().listen(27207, '127.0.0.1')
    await once(listener, 'listening')
    // Shared, like the one that was cancelled before and may not be released yet.
    const request = { listeners: [{ interface: 'lo', port: 27207 }], admission: 'ADMISSION_SHARED' }
    const error = await failureOf(collect(serve(request)))
    expect(reasonOf(error)).toBe('PORTS_EXHAUSTED')
    listener.close()
  })
})
