import { describe, expect, test } from 'vitest'
import { Direction, Flow, IperfOptions, Protocol } from '#proto/meshgauge/agent/v1/iperf.ts'
import { IpFamily } from '#proto/meshgauge/agent/v1/types.ts'
import { clientArgs, serverArgs, warmUpArgs } from './args.ts'
import { validateRun } from './validation.ts'

const flow = Flow.fromPartial({
  address: '10.0.0.2',
  port: 5201,
  interface: 'net0',
  sourceAddress: '10.0.0.1',
})
const optionsOf = (fields: Parameters<typeof IperfOptions.fromPartial>[0]) => IperfOptions.fromPartial(fields)
const line = (fields: Parameters<typeof IperfOptions.fromPartial>[0], to = flow) =>
  clientArgs(to, optionsOf(fields))
    .join(' ')
    .replace(/-k \S+$/, '-k …')
const selectors = (fields: Parameters<typeof IperfOptions.fromPartial>[0]) =>
  clientArgs(flow, optionsOf(fields)).at(-1)!.split(',')

describe('the command line', () => {
  test('of transactions over TCP binds both endpoints and uses the next port for data', () => {
    expect(line({ requestResponse: { requestBytes: 64 }, duration: { seconds: 5 } })).toBe(
      '-H 10.0.0.2,4 -p 5201 -L 10.0.0.1,4 -t TCP_RR -l 5 -P 0 -c -C -D -1 -- -P ,5202 -r 64,1 -k …',
    )
    expect(selectors({ requestResponse: {} })).toEqual(
      expect.arrayContaining(['P99_LATENCY', 'TRANSACTION_RATE']),
    )
  })

  test('of transactions over UDP uses the number of the control port and does not wait for lost datagrams', () => {
    expect(line({ requestResponse: {}, protocol: Protocol.PROTOCOL_UDP, interval: { nanos: 5e8 } })).toBe(
      '-H 10.0.0.2,4 -p 5201 -L 10.0.0.1,4 -t UDP_RR -l 10 -P 0 -c -C -D -0.5 -- -P ,5201 -r 1,1 -R 1 -e 1 -k …',
    )
  })

  test('of streams requests no latencies, which would cost a reading of the clock for each send', () => {
    const tcp = {
      lengthBytes: 65536,
      windowBytes: 4194304,
      mssBytes: 1400,
      noDelay: true,
      congestionControl: 'bbr',
    }
    expect(line(tcp)).toBe(
      '-H 10.0.0.2,4 -p 5201 -L 10.0.0.1,4 -t TCP_STREAM -l 10 -P 0 -c -C -D -1 -- -P ,5202 -m 65536,65536 ' +
        '-s 4194304,4194304 -S 4194304,4194304 -G 1400 -D -K bbr,bbr -k …',
    )
    expect(selectors(tcp).some((name) => name.includes('LATENCY'))).toBe(false)
    expect(line({ direction: Direction.DIRECTION_REVERSE, bytes: 1e6 })).toContain(
      '-t TCP_MAERTS -l -1000000 ',
    )
    expect(line({ protocol: Protocol.PROTOCOL_UDP, lengthBytes: 1400 })).toContain('-t UDP_STREAM ')
  })

  test('contains IPv6, CPUs, and the type of service in hexadecimal', () => {
    const to = { ...flow, address: 'fd00::2', sourceAddress: 'fd00::1' }
    const text = line({ requestResponse: {}, clientCpu: 1, dscp: 46 }, to)
    expect(text).toContain('-H fd00::2,6 -p 5201 -L fd00::1,6 ')
    expect(text).toContain('-T 1, -Y 0xb8,0xb8 -- ')
    expect(line({ requestResponse: {}, serverCpu: 0 })).toContain('-T ,0 ')
  })

  test('appends extra arguments, and merges their output selectors', () => {
    const fields = { requestResponse: {}, extraArguments: ['-b', '7', '-c', '-o', 'P99_LATENCY,BURST_SIZE'] }
    expect(line(fields)).toMatch(/ -t TCP_CRR .* -- -P ,5202 -r 1,1 -b 7 -c -k …$/)
    expect(selectors(fields).filter((name) => name === 'P99_LATENCY')).toHaveLength(1)
    expect(selectors(fields).at(-1)).toBe('BURST_SIZE')
  })

  test('of the warm-up is the same test for the time of the warm-up', () => {
    const options = optionsOf({ requestResponse: {}, duration: { seconds: 30 }, omit: { seconds: 3 } })
    expect(warmUpArgs(flow, options)).toEqual(
      clientArgs(flow, options).map((word) => (word === '30' ? '3' : word)),
    )
  })

  test('of the server runs it in the foreground, for one client at a time, without files', () => {
    const listener = {
      address: '10.0.0.2',
      port: 5201,
      interface: 'net0',
      cpu: undefined,
      idleSeconds: 1,
      durationSeconds: 1,
    }
    expect(serverArgs(listener).join(' ')).toBe('-D -f -N -L 10.0.0.2 -4 -p 5201')
    expect(serverArgs({ ...listener, address: 'fd00::2' }).join(' ')).toBe('-D -f -N -L fd00::2 -6 -p 5201')
  })
})

describe('violations', () => {
  const fields = (options: Parameters<typeof IperfOptions.fromPartial>[0]) =>
    validateRun([flow], optionsOf(options)).map(({ field }) => field)

  test('a valid request has none', () => {
    expect(
      fields({ requestResponse: { requestBytes: 64, responseBytes: 1024 }, omit: { seconds: 2 } }),
    ).toEqual([])
    expect(fields({ lengthBytes: 65536, family: IpFamily.IP_FAMILY_V4 })).toEqual([])
    expect(fields({ requestResponse: {}, extraArguments: ['-b', '4', '-c', '-k', 'BURST_SIZE'] })).toEqual([])
  })

  test('names all violations together, each with its field', () => {
    expect(
      fields({
        duration: { nanos: 5e8 },
        bytes: 1,
        omit: { nanos: 1 },
        interval: { nanos: 1 },
        parallelCount: 4,
        bitsPerSecond: 1e9,
        zerocopy: true,
        direction: Direction.DIRECTION_BIDIRECTIONAL,
        requestResponse: { requestBytes: 0 },
        lengthBytes: 1,
        congestionControl: '../x',
        tos: 256,
        dscp: 64,
        clientCpu: 5000,
      }),
    ).toEqual([
      'options.duration',
      'options.duration',
      'options.duration',
      'options.omit',
      'options.interval',
      'options.parallel_count',
      'options.bits_per_second',
      'options.zerocopy',
      'options.direction',
      'options.bytes',
      'options.length_bytes',
      'options.request_response.request_bytes',
      'options.congestion_control',
      'options.tos',
      'options.dscp',
      'options.dscp',
      'options.client_cpu',
    ])
  })

  test('refuses extra arguments that have a field, and those that choose peers', () => {
    const extraArguments = ['-d', 'send', '-l', '5', '-H', '10.9.9.9', '-c', '-k', '/etc/passwd']
    expect(validateRun([flow], optionsOf({ extraArguments }))).toEqual([
      { field: 'options.extra_arguments[4]', description: '-H chooses the peer; the plan does' },
      {
        field: 'options.extra_arguments[7]',
        description: '-k "/etc/passwd" is not names of values, as THROUGHPUT,P99_LATENCY',
      },
      {
        field: 'options.extra_arguments[0]',
        description: '-d is options.direction or options.request_response',
      },
      { field: 'options.extra_arguments[2]', description: '-l is options.duration or options.bytes' },
      { field: 'options.extra_arguments[6]', description: '-c is for transactions over TCP' },
    ])
  })
})
