import { describe, expect, test } from 'vitest'
import { Direction, Protocol } from '#proto/meshgauge/agent/v1/iperf.ts'
import type { Problem } from '../command-errors.ts'
import { readExpectations } from './expectation-options.ts'
import { readNetperfFields } from './netperf-fields.ts'
import type { RunOptions } from './run-options.ts'
import { readRunSpec } from './run-spec.ts'
import { createValueReader } from './value-reader.ts'

const fieldsOf = (line: string) => {
  const problems: Problem[] = []
  const fields = readNetperfFields(line.split(' '), createValueReader(problems))
  return { ...fields, problems: problems.map(({ message }) => message) }
}

describe('arguments for netperf', () => {
  test.each([
    ['-d send -l 30 -o THROUGHPUT,P50_LATENCY', { duration: { seconds: 30, nanos: 0 } }],
    ['-d recv -l -1000', { direction: Direction.DIRECTION_REVERSE, bytes: 1000 }],
    ['-d rr -l 60', { requestResponse: { requestBytes: undefined }, duration: { seconds: 60 } }],
    ['-d 6', { requestResponse: {} }],
    ['-d send|recv', { requestResponse: {} }],
    ['-t UDP_RR', { requestResponse: {}, protocol: Protocol.PROTOCOL_UDP }],
    ['-t omni -T udp -d send', { protocol: Protocol.PROTOCOL_UDP }],
    ['-t tcp_maerts', { direction: Direction.DIRECTION_REVERSE }],
    [
      '-t TCP_CRR -r 64,1K',
      { requestResponse: { requestBytes: 64, responseBytes: 1024 }, extraArguments: ['-c'] },
    ],
    ['-r 64 -d rr', { requestResponse: { requestBytes: 64, responseBytes: 64 } }],
    ['-c', { requestResponse: {}, extraArguments: ['-c'] }],
  ])('%s', (line, fields) => {
    expect(fieldsOf(line)).toMatchObject({ ...fields, problems: [] })
  })

  test('other arguments are passed on unchanged', () => {
    expect(fieldsOf('-d rr -b 4 -D -o P99_LATENCY').extraArguments).toEqual([
      '-b',
      '4',
      '-D',
      '-o',
      'P99_LATENCY',
    ])
  })

  test('every problem is reported', () => {
    expect(fieldsOf('-H 10.0.0.1 -d sideways -x').problems).toEqual([
      '-H chooses the peer; the plan does',
      '-d "sideways" is not send, recv or rr',
      "-x is not an option of netperf's omni tests",
    ])
  })
})

const read = (options: RunOptions, rest: readonly string[] = []) => {
  const problems: Problem[] = []
  const spec = readRunSpec('mesh', options, createValueReader(problems), problems, rest)
  return { spec, problems: problems.map(({ place, message }) => `${place} ${message}`) }
}

describe('a run with netperf', () => {
  test('--rr selects the engine netperf', () => {
    expect(read({ test: 'iperf', rr: '64,1K', udp: true }).spec.test).toMatchObject({
      value: {
        engine: 'netperf',
        options: {
          requestResponse: { requestBytes: 64, responseBytes: 1024 },
          protocol: Protocol.PROTOCOL_UDP,
        },
      },
    })
    expect(read({ test: 'iperf', rr: true }).spec.test).toMatchObject({
      value: { options: { requestResponse: {} } },
    })
  })

  test('arguments after -- select netperf; options before them take precedence', () => {
    const { spec, problems } = read({ test: 'iperf', duration: '5s' }, ['-d', 'rr', '-l', '30', '-b', '2'])
    expect(problems).toEqual([])
    expect(spec.test).toMatchObject({
      value: {
        engine: 'netperf',
        options: { duration: { seconds: 5 }, requestResponse: {}, extraArguments: ['-b', '2'] },
      },
    })
  })

  test('contradicting options are refused', () => {
    expect(read({ test: 'iperf', engine: 'iperf3', rr: true }, ['-n']).problems).toEqual([
      '--rr needs --engine netperf',
      '-- is for --engine netperf',
    ])
    expect(read({ test: 'ping' }, ['-n']).problems).toEqual([
      '-- is for --engine netperf, and the test is ping',
    ])
    expect(read({ test: 'iperf', rr: '1,2,3' }).problems).toEqual([
      '--rr "1,2,3" has more than two sizes; write 64,1K',
    ])
  })
})

describe('--expect', () => {
  const expectations = (...texts: string[]) => {
    const problems: Problem[] = []
    const found = readExpectations(texts, createValueReader(problems))
    return { found, problems: problems.map(({ place, message }) => `${place} ${message}`) }
  }

  test('limits are converted to base units', () => {
    expect(expectations('throughput_min=9G', 'p99_latency_max=50us')).toEqual({
      found: [
        { name: 'throughput_min', limit: 9e9 },
        { name: 'p99_latency_max', limit: expect.closeTo(50e-6, 12) },
      ],
      problems: [],
    })
  })

  test('every problem is reported', () => {
    const bad = ['throughput_min', 'throughput=9G', 'cv_max=10', 'jitter_max=1G', 'cv_max=1%', 'cv_max=2%']
    expect(expectations(...bad).problems).toEqual([
      '--expect "throughput_min" is not NAME=LIMIT, such as throughput_min=9G',
      '--expect "throughput" is no expectation; did you mean throughput_min?',
      '--expect "10" has no unit; cv_max is a ratio: write 0.1%',
      '--expect "1G" is a bitrate, and jitter_max is a time: write 50us, 2ms or 1s',
      '--expect cv_max is given twice',
      '--expect cv_max is given twice',
    ])
  })
})
