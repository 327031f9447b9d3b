/** Results of recorded tests. */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { Direction, IperfOptions, Protocol } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { fromDuration } from '../../../lib/protobuf-time.ts'
import type { ProcessResult } from '../../processes.ts'
import { planNetperf } from './args.ts'
import { createParser, type Interim } from './output.ts'
import { type Observed, resultOf, testOutcomeOf } from './result.ts'

const folder = new URL('fixtures/2.7.1/', import.meta.url)
const textOf = (name: string): string => {
  const file = new URL(name, folder)
  return existsSync(file) ? readFileSync(file, 'utf8') : ''
}

const exited = (exitCode: number, fields: Partial<ProcessResult> = {}): ProcessResult => ({
  exitCode,
  signal: '',
  stderrTail: '',
  timedOut: false,
  aborted: false,
  flooded: false,
  notFound: false,
  reason: exitCode === 0 ? '' : `netperf ended with exit code ${exitCode}`,
  ...fields,
})

const observedOf = (text: string, fields: Partial<Observed> = {}): Observed & { interims: Interim[] } => {
  const parser = createParser()
  const outputs = text.split('\n').flatMap((line) => parser.push(line))
  const interims = outputs.flatMap((output) => (output.kind === 'interim' ? [output.interim] : []))
  return {
    interims,
    began: interims.length > 0,
    values: new Map(
      outputs.flatMap((output) => (output.kind === 'value' ? [[output.name, output.value]] : [])),
    ),
    messages: outputs.flatMap((output) => (output.kind === 'message' ? [output.text] : [])),
    silence: undefined,
    connectError: '',
    ...fields,
  }
}

type Options = Parameters<typeof IperfOptions.fromPartial>[0]
const judge = (name: string, options: Options, process = exited(0), fields: Partial<Observed> = {}) => {
  const observed = observedOf(textOf(`${name}.txt`) + textOf(`${name}.stderr.txt`), fields)
  const plan = planNetperf(IperfOptions.fromPartial(options))
  const testOutcome = testOutcomeOf(observed, process, plan)
  return {
    ...resultOf(testOutcome, observed, plan),
    retryable: testOutcome.retryable,
    interims: observed.interims,
  }
}

const RR: Options = { requestResponse: {} }
const UDP_RR: Options = { ...RR, protocol: Protocol.PROTOCOL_UDP }
const UDP: Options = { protocol: Protocol.PROTOCOL_UDP }

describe('transactions', () => {
  test.each([
    ['tcp-rr', RR],
    ['udp-rr', UDP_RR],
    ['tcp-crr', { ...RR, extraArguments: ['-c'] }],
    ['burst', { ...RR, extraArguments: ['-b', '7'] }],
    ['ipv6', RR],
    ['bad-cpu', RR],
  ] satisfies [string, Options][])('%s', (name, options) => {
    const { outcome, reason, transactions, bitsPerSecond, programValues, interims } = judge(name, options)
    expect({ outcome, reason, bitsPerSecond }).toEqual({
      outcome: Outcome.OUTCOME_MEASURED,
      reason: '',
      bitsPerSecond: undefined,
    })
    const { perSecond, min, mean, p50, p90, p99, max, standardDeviation } = transactions!
    expect(perSecond).toBe(Number(programValues.TRANSACTION_RATE))
    const rising = [min, p50, p90, p99, max].map((duration) => fromDuration(duration)!)
    expect(rising).toEqual([...rising].sort((a, b) => a - b))
    expect(fromDuration(p99)! * 1e6).toBeCloseTo(Number(programValues.P99_LATENCY), 3)
    expect(fromDuration(mean)! * 1e6).toBeCloseTo(Number(programValues.MEAN_LATENCY), 3)
    expect(fromDuration(standardDeviation)).toBeGreaterThan(0)
    expect(interims.every(({ units, value }) => units === 'Trans/s' && value > 0)).toBe(true)
    expect(interims.length).toBeGreaterThanOrEqual(1)
  })

  test('reports the exact figures of one test', () => {
    const values = observedOf(textOf('tcp-rr.txt')).values
    expect(judge('tcp-rr', RR)).toMatchObject({
      duration: { seconds: 2, nanos: 0 },
      retransmitCount: 0,
      senderCpuRatio: (Number(values.get('LOCAL_CPU_UTIL')) / 100) * 2,
      receiverCpuRatio: (Number(values.get('REMOTE_CPU_UTIL')) / 100) * 2,
    })
  })

  test('a -1 is an unknown value', () => {
    const crr = judge('tcp-crr', { ...RR, extraArguments: ['-c'] })
    expect([crr.programValues.LOCAL_TRANSPORT_RETRANS, crr.retransmitCount]).toEqual([undefined, undefined])
  })

  test('a CPU that is over 100 % busy is not reported', () => {
    expect(judge('tcp-crr', { ...RR, extraArguments: ['-c'] }).receiverCpuRatio).toBeUndefined()
  })

  test('additional selectors keep their names', () => {
    expect(judge('burst', RR).programValues).toMatchObject({ BURST_SIZE: '7', REQUEST_SIZE: '64' })
  })

  test('no response is not a transaction rate of 0', () => {
    const observed = observedOf('TRANSACTION_RATE=0.000\nTHROUGHPUT=0.00\nMIN_LATENCY=-nan\n')
    const plan = planNetperf(IperfOptions.fromPartial(RR))
    expect(testOutcomeOf(observed, exited(0), plan)).toMatchObject({
      outcome: Outcome.OUTCOME_UNREACHABLE,
      reason: 'no response was received',
    })
  })
})

describe('streams', () => {
  test('tcp-stream: the throughput is the count of the receiver', () => {
    const values = observedOf(textOf('tcp-stream.txt')).values
    expect(judge('tcp-stream', {})).toMatchObject({
      outcome: Outcome.OUTCOME_MEASURED,
      bitsPerSecond: Math.round(Number(values.get('REMOTE_RECV_THROUGHPUT')) * 1e6),
      senderBitsPerSecond: Math.round(Number(values.get('LOCAL_SEND_THROUGHPUT')) * 1e6),
      sentBytes: Number(values.get('LOCAL_BYTES_SENT')),
      receivedBytes: Number(values.get('REMOTE_BYTES_RECVD')),
      transactions: undefined,
      lossRatio: undefined,
    })
  })

  test('tcp-maerts: the client is the receiver', () => {
    const values = observedOf(textOf('tcp-maerts.txt')).values
    expect(judge('tcp-maerts', { direction: Direction.DIRECTION_REVERSE })).toMatchObject({
      bitsPerSecond: Math.round(Number(values.get('LOCAL_RECV_THROUGHPUT')) * 1e6),
      sentBytes: Number(values.get('REMOTE_BYTES_SENT')),
    })
  })

  test('udp: the loss is what was sent and not received', () => {
    expect(judge('udp-loss', UDP).lossRatio).toBeCloseTo(1 - 224631400 / 377790000, 6)
    expect(judge('udp-stream', UDP).lossRatio).toBeLessThan(0.5)
    expect(judge('udp-stream', UDP).retransmitCount).toBeUndefined()
  })

  test('a test by bytes is measured', () => {
    expect(judge('bytes', { bytes: 200_000_000 })).toMatchObject({
      outcome: Outcome.OUTCOME_MEASURED,
      sentBytes: expect.any(Number),
    })
  })

  test('a slow stream is derived from bytes: two decimals of a megabit are not enough', () => {
    const text =
      'THROUGHPUT=0.01\nELAPSED_TIME=10.00\nREMOTE_RECV_THROUGHPUT=0.01\nREMOTE_BYTES_RECVD=15000\n'
    const plan = planNetperf(undefined)
    const observed = observedOf(text)
    expect(resultOf(testOutcomeOf(observed, exited(0), plan), observed, plan).bitsPerSecond).toBe(12_000)
  })

  test('a congestion control that was not used is not measured', () => {
    expect(judge('congestion', { congestionControl: 'nosuch' })).toMatchObject({
      outcome: Outcome.OUTCOME_NOT_RUN,
      reason: 'this kernel has no congestion control nosuch; netperf used bbr',
      bitsPerSecond: undefined,
    })
  })
})

describe('failures', () => {
  test.each([
    ['refused', 'ECONNREFUSED', Outcome.OUTCOME_REFUSED, true, 'netperf: connection refused'],
    ['refused', 'EHOSTUNREACH', Outcome.OUTCOME_UNREACHABLE, false, 'netperf: no route to host'],
    ['refused', 'ETIMEDOUT', Outcome.OUTCOME_UNREACHABLE, false, 'netperf: connection timed out'],
    [
      'bad-bind',
      'EADDRNOTAVAIL',
      Outcome.OUTCOME_NOT_RUN,
      false,
      'netperf: this node does not have the source address',
    ],
    ['refused', '', Outcome.OUTCOME_REFUSED, true, 'netperf: no connection, but the port answers now'],
  ])('%s, with the kernel error "%s"', (name, connectError, outcome, retryable, reason) => {
    expect(judge(name, RR, exited(255), { connectError })).toMatchObject({ outcome, retryable, reason })
  })

  test.each([
    ['killed', RR, 'netperf: send_omni: recv_data failed: Connection reset by peer'],
    ['killed-stream', {}, 'netperf: recv_response: partial response received: 0 bytes'],
  ] satisfies [string, Options, string][])(
    '%s: invalid, without a fault of the network',
    (name, options, reason) => {
      expect(judge(name, options, exited(1))).toMatchObject({
        outcome: Outcome.OUTCOME_INVALID,
        reason,
        bitsPerSecond: undefined,
        transactions: undefined,
      })
    },
  )

  test.each([
    ['never answered', {}, { silence: 'connecting', began: false }, Outcome.OUTCOME_UNREACHABLE],
    ['did not end', { timedOut: true }, { began: true }, Outcome.OUTCOME_TIMED_OUT],
    ['did not begin', { timedOut: true }, { began: false }, Outcome.OUTCOME_UNREACHABLE],
    ['flooded', { flooded: true }, {}, Outcome.OUTCOME_INVALID],
    ['is not installed', { notFound: true, exitCode: undefined }, {}, Outcome.OUTCOME_INVALID],
  ] satisfies [string, Partial<ProcessResult>, Partial<Observed>, Outcome][])(
    '%s',
    (_, fields, observed, outcome) => {
      expect(judge('nothing', RR, exited(1, { reason: 'because', ...fields }), observed).outcome).toBe(
        outcome,
      )
    },
  )

  test('an incomplete output is no result', () => {
    for (const name of ['tcp-rr', 'tcp-stream']) {
      const whole = textOf(`${name}.txt`)
      const half = whole.slice(0, whole.indexOf('THROUGHPUT='))
      const plan = planNetperf(undefined)
      expect(testOutcomeOf(observedOf(half), exited(0), plan)).toMatchObject({
        outcome: Outcome.OUTCOME_INVALID,
        reason: 'netperf ended without a result',
      })
    }
  })
})

test('every recording is used', () => {
  const source = readFileSync(new URL(import.meta.url), 'utf8')
  const names = new Set(readdirSync(folder).map((file) => file.replace(/(\.stderr)?\.txt$/, '')))
  expect([...names].filter((name) => !source.includes(`'${name}'`))).toEqual([])
})

// HewlettPackard/netperf issues 83 (a latency of -nan, a negative mean) and 47 (an elapsed time of 0.00).
test('impossible values of netperf are absent everywhere', () => {
  const observed = observedOf(
    'TRANSACTION_RATE=1000\nTHROUGHPUT=1000\nELAPSED_TIME=0.00\nMEAN_LATENCY=-1234.5\nSTDDEV_LATENCY=-nan\n' +
      'P50_LATENCY=12\nLOCAL_TRANSPORT_RETRANS=4294967295\nLOCAL_CPU_UTIL=-3.2\nLOCAL_CPU_COUNT=2\nCONFIDENCE=inf\n',
  )
  const plan = planNetperf(IperfOptions.fromPartial(RR))
  const result = resultOf(testOutcomeOf(observed, exited(0), plan), observed, plan)
  expect(result).toMatchObject({
    outcome: Outcome.OUTCOME_MEASURED,
    duration: undefined,
    retransmitCount: undefined,
    senderCpuRatio: undefined,
    transactions: { mean: undefined, standardDeviation: undefined, p50: { seconds: 0, nanos: 12_000 } },
  })
  expect(Object.keys(result.programValues).sort()).toEqual([
    'LOCAL_CPU_COUNT',
    'P50_LATENCY',
    'THROUGHPUT',
    'TRANSACTION_RATE',
  ])
})
