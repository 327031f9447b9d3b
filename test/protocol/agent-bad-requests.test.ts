import { existsSync } from 'node:fs'
import { status } from '@grpc/grpc-js'
import { describe, expect, test } from 'vitest'
import { openIndependentClient } from '../testing/independent-client.ts'
import { startAgent } from '../testing/service-process.ts'
import {
  CHECK,
  collect,
  detailsOf,
  failureOf,
  IPERF,
  PING,
  reasonOf,
  useAgentUnderTest,
} from './agent-under-test.ts'

const subject = useAgentUnderTest(27301)
const { serve, run } = subject

describe('bad requests', () => {
  test('an error lists every violation', async () => {
    const targets = [{ address: 'gpu-01' }, { address: '127.0.0.1' }, { address: '-c5' }]
    const error = await failureOf(
      collect(subject.client.stream(PING, 'Ping', { targets, ttl: 999, tos: 300, interface: 'eth9' })),
    )
    expect([error.code, reasonOf(error)]).toEqual([status.INVALID_ARGUMENT, 'SPEC_INVALID'])
    for (const field of ['targets[0].address', 'targets[2].address', 'ttl', 'tos', 'interface'])
      expect(error.details).toContain(field)
  })

  test('a shell command in a field is refused and not executed', async () => {
    const file = `/tmp/meshgauge-pwned-${process.pid}`
    const shell = `$(touch ${file}); touch ${file}`
    const errors = await Promise.all([
      failureOf(collect(run(27301, { congestionControl: shell }))),
      failureOf(collect(subject.client.stream(PING, 'Ping', { targets: [{ address: shell }] }))),
      failureOf(collect(serve({ listeners: [{ interface: shell }] }))),
      failureOf(
        collect(subject.client.stream(PING, 'Ping', { targets: [{ address: '127.0.0.1' }], engine: shell })),
      ),
      failureOf(subject.client.call(CHECK, 'RunCheck', { check: shell })),
    ])
    expect(errors.map(({ code }) => code)).toEqual(Array(5).fill(status.INVALID_ARGUMENT))
    expect(existsSync(file)).toBe(false)
  })

  test.each([
    [
      'a peer outside the allowed networks',
      PING,
      'Ping',
      { targets: [{ address: '192.0.2.1' }] },
      'PEER_NOT_ALLOWED',
      status.PERMISSION_DENIED,
    ],
    [
      'a duration above the limit',
      IPERF,
      'Run',
      {
        flows: [{ address: '127.0.0.1', port: 27301 }],
        options: { duration: { seconds: 3600 }, bitsPerSecond: 1e6 },
      },
      'LIMIT_EXCEEDED',
      status.RESOURCE_EXHAUSTED,
    ],
    [
      'a bitrate above the limit',
      IPERF,
      'Run',
      { flows: [{ address: '127.0.0.1', port: 27301 }], options: { bitsPerSecond: 1e15 } },
      'LIMIT_EXCEEDED',
      status.RESOURCE_EXHAUSTED,
    ],
    [
      'probes above the rate of a node',
      PING,
      'Ping',
      {
        targets: [1, 2, 3].map((host) => ({ address: `127.0.0.${host}` })),
        ...{ interval: { nanos: 1e7 }, sizeBytes: 65_000, continuous: true },
      },
      'LIMIT_EXCEEDED',
      status.RESOURCE_EXHAUSTED,
    ],
    [
      'the same target twice',
      PING,
      'Ping',
      { targets: [{ address: '127.0.0.1' }, { address: '127.0.0.1' }] },
      'SPEC_INVALID',
      status.INVALID_ARGUMENT,
    ],
    [
      'an interval below the minimum',
      PING,
      'Ping',
      { targets: [{ address: '127.0.0.1' }], interval: { nanos: 5e6 } },
      'SPEC_INVALID',
      status.INVALID_ARGUMENT,
    ],
  ])('%s', async (_, service, name, request, reason, code) => {
    const error = await failureOf(collect(subject.client.stream(service, name, request)))
    expect([reasonOf(error), error.code]).toEqual([reason, code])
  })

  test('LIMIT_EXCEEDED names each limit, its value and its owner', async () => {
    const options = { duration: { seconds: 3600 }, bitsPerSecond: 1e6 }
    const flows = Array.from({ length: 513 }, () => ({ address: '127.0.0.1', port: 27301 }))
    const error = await failureOf(collect(subject.client.stream(IPERF, 'Run', { flows, options })))
    expect(error.details).toBe(
      '513 flows in one stream (limit of this agent: max_flows_count 512); a test of 60 min with its warm-up (limit of this agent: max_duration 60 s)',
    )
    const details = detailsOf(error).toString('latin1')
    for (const text of ['max_flows_count, max_duration', '512, 60 s', 'limit_value', 'owner'])
      expect(details).toContain(text)
  })

  test('an engine that is not installed is ENGINE_UNAVAILABLE with a hint', async () => {
    const agentWithoutEngines = await startAgent(
      '--program',
      'iperf3=/nonexistent/iperf3',
      '--program',
      'fping=/nonexistent/fping',
    )
    const own = openIndependentClient(agentWithoutEngines.port)
    const serving = await failureOf(collect(own.stream(IPERF, 'Serve', { listeners: [{ interface: 'lo' }] })))
    expect([serving.code, reasonOf(serving)]).toEqual([status.FAILED_PRECONDITION, 'ENGINE_UNAVAILABLE'])
    expect(serving.details).toMatch(/iperf3/)
    const pinging = await failureOf(
      collect(own.stream(PING, 'Ping', { targets: [{ address: '127.0.0.1' }] })),
    )
    expect(reasonOf(pinging)).toBe('ENGINE_UNAVAILABLE')
    own.close()
    await agentWithoutEngines.stop('SIGTERM')
  })

  test('an occupied port is reported in one line, with exit code 2', async () => {
    const second = startAgent('--listen', `127.0.0.1:${subject.agent.port}`)
    await expect(second).rejects.toThrow(/cannot listen on 127\.0\.0\.1:\d+/)
  })
})
