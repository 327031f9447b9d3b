import { expect, test } from 'vitest'
import { Direction, Flow, IperfOptions, Protocol, ServeRequest } from '#proto/meshgauge/agent/v1/iperf.ts'
import { IpFamily } from '#proto/meshgauge/agent/v1/types.ts'
import { validateServe } from '../iperf-request.ts'
import { clientArgs, deadlineSeconds, planIperf, serverArgs } from './args.ts'
import { validateRun } from './validation.ts'

const flow = Flow.fromPartial({ address: '10.0.0.2', port: 5201 })
const argsOf = (options: Parameters<typeof IperfOptions.fromPartial>[0], mode: 'text' | 'json' = 'json') =>
  clientArgs(flow, IperfOptions.fromPartial(options), mode).join(' ')

test('passes the defaults', () => {
  expect(clientArgs(flow, undefined, 'json').join(' ')).toBe(
    '-c 10.0.0.2 -p 5201 --forceflush --json-stream --connect-timeout 3000 -t 10 -i 1 -P 1',
  )
  expect(clientArgs(flow, undefined, 'text').join(' ')).toContain('--forceflush -V -f k')
})

test.each([
  [{ duration: { seconds: 30 }, omit: { seconds: 2 } }, '-t 30 -O 2'],
  [{ interval: { nanos: 500_000_000 } }, '-i 0.5'],
  [{ parallelCount: 8 }, '-P 8'],
  [{ protocol: Protocol.PROTOCOL_UDP, bitsPerSecond: 0 }, '-u -b 0'],
  [{ direction: Direction.DIRECTION_REVERSE }, '-R'],
  [{ direction: Direction.DIRECTION_BIDIRECTIONAL }, '--bidir'],
  [{ lengthBytes: 1400, windowBytes: 65536, mssBytes: 1400, noDelay: true }, '-l 1400 -w 65536 -M 1400 -N'],
  [{ congestionControl: 'bbr', zerocopy: true }, '-C bbr -Z'],
  [{ tos: 16 }, '-S 16'],
  [{ dscp: 46 }, '--dscp 46'],
  [{ family: IpFamily.IP_FAMILY_V4 }, '-4'],
  [{ clientCpu: 1 }, '-A 1'],
  [{ clientCpu: 1, serverCpu: 2 }, '-A 1,2'],
] satisfies [Parameters<typeof argsOf>[0], string][])('%j', (options, expected) => {
  expect(argsOf(options)).toMatch(new RegExp(`${expected}( |$)`))
})

test('does not pass absent options', () => {
  expect(argsOf({ serverCpu: 3 })).not.toContain('-A')
  expect(argsOf({ omit: { seconds: 0 } })).not.toContain('-O')
})

test('passes bytes instead of a duration, with short intervals where the version needs them', () => {
  expect(argsOf({ bytes: 1000 })).toContain('-n 1000 -i 0.1')
  expect(argsOf({ bytes: 1000 }, 'text')).toContain('-n 1000 -i 1')
  expect(argsOf({ bytes: 1000 })).not.toContain('-t ')
})

test('binds both endpoints', () => {
  const bound = { ...flow, sourceAddress: '10.0.0.1', interface: 'net0' }
  expect(clientArgs(bound, undefined, 'json').join(' ')).toContain('-B 10.0.0.1 --bind-dev net0')
  const listener = {
    address: '10.0.0.2',
    port: 5201,
    interface: 'net0',
    cpu: 3,
    idleSeconds: 1,
    durationSeconds: 1,
  }
  expect(serverArgs(listener).join(' ')).toBe(
    '-s -1 -B 10.0.0.2 -p 5201 --bind-dev net0 --forceflush -i 1 -f k -A 3',
  )
})

test('the deadline covers warm-up and connection, and bytes at half of the requested rate', () => {
  const timed = planIperf(IperfOptions.fromPartial({ duration: { seconds: 20 }, omit: { seconds: 2 } }))
  expect(deadlineSeconds(timed, undefined)).toBeGreaterThanOrEqual(25)
  const counted = planIperf(IperfOptions.fromPartial({ bytes: 1_000_000, parallelCount: 2 }))
  expect(deadlineSeconds(counted, 100_000)).toBeGreaterThanOrEqual(80)
})

test('a valid request has no violations', () => {
  const options = IperfOptions.fromPartial({ duration: { seconds: 5 }, parallelCount: 4, tos: 0 })
  expect(validateRun([flow], options)).toEqual([])
  expect(validateRun([flow], undefined)).toEqual([])
  expect(validateServe(ServeRequest.fromPartial({ listeners: [{ address: '::1' }] }))).toEqual([])
})

test('names all violations of a Run together', () => {
  const options = IperfOptions.fromPartial({
    duration: { seconds: 5, nanos: 1 },
    bytes: 0,
    omit: { seconds: 601 },
    interval: { nanos: 1 },
    parallelCount: 129,
    bitsPerSecond: -1,
    protocol: Protocol.PROTOCOL_UDP,
    lengthBytes: 65508,
    windowBytes: 0,
    mssBytes: 10_000,
    noDelay: true,
    congestionControl: '-rf',
    tos: 256,
    dscp: 64,
    zerocopy: true,
    family: IpFamily.IP_FAMILY_V4,
    clientCpu: 2000,
    serverCpu: 2000,
  })
  const flows = [
    Flow.fromPartial({ address: 'example.org', port: 0, interface: '--version', sourceAddress: '-B' }),
    Flow.fromPartial({ address: '::1', port: 5201, sourceAddress: '127.0.0.1' }),
  ]
  const fields = validateRun(flows, options).map((violation) => violation.field)
  expect(new Set(fields)).toEqual(
    new Set([
      ...['flows[0].address', 'flows[0].port', 'flows[0].interface', 'flows[0].source_address'],
      ...['flows[1].address', 'flows[1].source_address'],
      ...['duration', 'bytes', 'omit', 'interval', 'parallel_count', 'bits_per_second', 'length_bytes'].map(
        (field) => `options.${field}`,
      ),
      ...['window_bytes', 'mss_bytes', 'no_delay', 'congestion_control', 'tos', 'dscp', 'zerocopy'].map(
        (field) => `options.${field}`,
      ),
      ...['options.client_cpu', 'options.server_cpu'],
    ]),
  )
  expect(validateRun([], undefined)).toEqual([{ field: 'flows', description: 'must name at least one flow' }])
})

test('names all violations of a Serve together', () => {
  const request = ServeRequest.fromPartial({
    listeners: [{}, { address: 'host', interface: '-i', port: 65536 }],
    ports: { first: 10, last: 9 },
    cpu: 5000,
    idleTimeout: { seconds: -1 },
    duration: { seconds: 1_000_000 },
  })
  expect(validateServe(request).map((violation) => violation.field)).toEqual([
    'listeners[0]',
    'listeners[1].address',
    'listeners[1].interface',
    'listeners[1].port',
    'ports',
    'cpu',
    'idle_timeout',
    'duration',
  ])
})
