import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { IperfResult, IperfSample } from '#proto/meshgauge/agent/v1/iperf.ts'
import { PingStatistics } from '#proto/meshgauge/agent/v1/ping.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { EXPECTATION_NAMES, isMinimum } from '../../lib/expectations.ts'
import { createHistogram } from '../../lib/histogram.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import { createPairResult, type PairResult } from '../dispatch/pair-result.ts'
import { evaluateExpectations } from './expectations.ts'

const SEGMENT_BYTES = 1448
const evaluate = (name: string, limit: number, results: readonly PairResult[]) =>
  evaluateExpectations([{ name, limit }], results, () => SEGMENT_BYTES)[0]!

let serial = 0
const pair = (fields: Partial<PairResult>) =>
  createPairResult({
    source: { node: `n${serial++}`, interface: 'net0', address: '10.0.0.1' },
    destination: { node: `n${serial}`, interface: 'net0', address: '10.0.0.2' },
    outcome: Outcome.OUTCOME_MEASURED,
    ...fields,
  })
const iperf = (fields: Parameters<typeof IperfResult.fromPartial>[0]) =>
  pair({ values: { kind: 'iperf', ...IperfResult.fromPartial(fields) } })
const transactions = (perSecond: number, p99: number) =>
  iperf({
    transactions: {
      perSecond,
      mean: toDuration(1 / perSecond),
      p99: toDuration(p99),
      max: toDuration(2 * p99),
      standardDeviation: toDuration(p99 / 10),
    },
  })
const ping = (times: readonly number[], lossRatio = 0) => {
  const histogram = createHistogram()
  for (const time of times) histogram.record(time)
  const mean = toDuration(times.reduce((sum, time) => sum + time, 0) / times.length)
  const value = PingStatistics.fromPartial({
    sentCount: 100,
    lossRatio,
    rtt: { avg: mean, max: toDuration(Math.max(...times)), jitter: toDuration(1e-5) },
    histogram: histogram.toMessage(),
  })
  return pair({ values: { kind: 'ping', ...value } })
}
const failed = (outcome: Outcome) => pair({ outcome, reason: 'no answer' })
const nodes = ({ failed: list }: ReturnType<typeof evaluate>) =>
  list.map(({ pair: p, value }) => [p?.source?.node, value])

describe('throughput', () => {
  test('applies to every pair and to their mean', () => {
    const results = [iperf({ bitsPerSecond: 9e9 }), iperf({ bitsPerSecond: 10e9 })]
    expect(evaluate('throughput_min', 9e9, results)).toMatchObject({
      passed: true,
      fleetValue: 9.5e9,
      worst: { pair: { source: results[0]!.source }, value: 9e9 },
      passedCount: 2,
      failedCount: 0,
      failed: [],
    })
  })

  test('one slow pair fails it and is listed with its value, the worst first', () => {
    const results = [9.5e9, 3e9, 1e9].map((bitsPerSecond) => iperf({ bitsPerSecond }))
    const result = evaluate('tcp_throughput_min', 9e9, results)
    expect(result).toMatchObject({ passed: false, fleetValue: 4.5e9, passedCount: 1, failedCount: 2 })
    expect(nodes(result)).toEqual([
      [results[2]!.source.node, 1e9],
      [results[1]!.source.node, 3e9],
    ])
  })

  test('a bidirectional pair counts with its slower direction', () => {
    expect(
      evaluate('throughput_min', 9e9, [iperf({ bitsPerSecond: 9.5e9, reverseBitsPerSecond: 1e9 })]),
    ).toMatchObject({ passed: false, fleetValue: 1e9 })
  })

  test('the total has no limit per pair, but a pair without a value fails it', () => {
    const results = [iperf({ bitsPerSecond: 9e9 }), iperf({ bitsPerSecond: 1e9 })]
    expect(evaluate('total_throughput_min', 10e9, results)).toMatchObject({ passed: true, fleetValue: 10e9 })
    expect(evaluate('total_throughput_min', 11e9, results)).toMatchObject({ passed: false, failedCount: 0 })
    const holey = [...results, failed(Outcome.OUTCOME_UNREACHABLE)]
    expect(evaluate('total_throughput_min', 1e9, holey)).toMatchObject({ passed: false, failedCount: 1 })
  })

  test('the retransmission rate is retransmissions over segments, and at most 1', () => {
    const sentBytes = 1000 * SEGMENT_BYTES
    expect(
      evaluate('retransmission_rate_max', 0.01, [iperf({ sentBytes, retransmitCount: 10 })]),
    ).toMatchObject({
      passed: true,
      fleetValue: 0.01,
    })
    expect(
      evaluate('retransmission_rate_max', 0.01, [iperf({ sentBytes, retransmitCount: 11 })]),
    ).toMatchObject({
      passed: false,
    })
    expect(
      evaluate('retransmission_rate_max', 1, [iperf({ sentBytes: 1, retransmitCount: 50 })]),
    ).toMatchObject({
      passed: true,
    })
    expect(evaluate('retransmission_rate_max', 0.5, [iperf({ sentBytes })]).passed).toBe(false)
  })

  test('the CPU limit applies to the busier end', () => {
    const busy = iperf({ senderCpuRatio: 0.2, receiverCpuRatio: 0.95 })
    expect(evaluate('cpu_util_max', 0.9, [busy])).toMatchObject({ passed: false, fleetValue: 0.95 })
  })

  test('variation is between intervals for a pair, and between pairs for the fleet', () => {
    const steady = iperf({ bitsPerSecond: 100 })
    const shaky = createPairResult({
      ...iperf({ bitsPerSecond: 100 }),
      samples: [50, 150].map((bitsPerSecond) => IperfSample.fromPartial({ bitsPerSecond })),
    })
    const result = evaluate('cv_max', 0.1, [steady, shaky])
    expect(result).toMatchObject({ passed: false, fleetValue: 0, passedCount: 1 })
    expect(nodes(result)).toEqual([[shaky.source.node, 0.5]])
    expect(
      evaluate('cv_max', 0.1, [iperf({ bitsPerSecond: 50 }), iperf({ bitsPerSecond: 150 })]),
    ).toMatchObject({
      passed: false,
      fleetValue: 0.5,
      failedCount: 0,
    })
  })
})

describe('latency', () => {
  test('percentiles of transactions: the fleet has that of the worst pair', () => {
    const results = [transactions(10_000, 50e-6), transactions(20_000, 80e-6)]
    expect(evaluate('p99_latency_max', 60e-6, results)).toMatchObject({
      passed: false,
      fleetValue: expect.closeTo(80e-6, 9),
      failedCount: 1,
    })
    expect(evaluate('mean_latency_max', 100e-6, results)).toMatchObject({
      passed: true,
      fleetValue: expect.closeTo(75e-6, 9),
    })
    expect(evaluate('transaction_rate_min', 10_000, results)).toMatchObject({
      passed: true,
      fleetValue: 15_000,
    })
  })

  test('percentiles of pings: the fleet has those of all probes together', () => {
    const few = ping([1e-3])
    const many = ping(Array.from({ length: 999 }, () => 1e-4))
    const result = evaluate('p99_latency_max', 2e-4, [few, many])
    // One slow probe of 1,000 does not change the fleet's percentile, but it is the only probe of its pair.
    expect(result.fleetValue).toBeCloseTo(1e-4, 5)
    expect(result).toMatchObject({ passed: false, failedCount: 1 })
    expect(nodes(result)[0]![0]).toBe(few.source.node)
  })

  test('loss and jitter of pings', () => {
    const results = [ping([1e-4], 0), ping([1e-4], 0.02)]
    expect(evaluate('packet_loss_max', 0.02, results)).toMatchObject({ passed: true, fleetValue: 0.01 })
    expect(evaluate('packet_loss_max', 0.01, results)).toMatchObject({ passed: false, failedCount: 1 })
    expect(evaluate('jitter_max', 1e-6, results)).toMatchObject({ passed: false, failedCount: 2 })
  })
})

describe('a pair that was not measured', () => {
  test('fails without a value, and is listed first', () => {
    const results = [iperf({ bitsPerSecond: 1 }), failed(Outcome.OUTCOME_NOT_RUN)]
    const result = evaluate('throughput_min', 9e9, results)
    expect(nodes(result)).toEqual([
      [results[1]!.source.node, undefined],
      [results[0]!.source.node, 1],
    ])
  })

  test('an INVALID measurement has a value that does not count', () => {
    const invalid = { ...iperf({ bitsPerSecond: 9e9 }), outcome: Outcome.OUTCOME_INVALID }
    expect(evaluate('throughput_min', 1, [invalid])).toMatchObject({ passed: false, failedCount: 1 })
    expect(evaluate('throughput_min', 1, [invalid]).fleetValue).toBeUndefined()
  })

  test('counts for the error rate', () => {
    const results = [...Array.from({ length: 9 }, () => iperf({})), failed(Outcome.OUTCOME_TIMED_OUT)]
    expect(evaluate('error_rate_max', 0.1, results)).toMatchObject({
      passed: true,
      fleetValue: 0.1,
      failedCount: 1,
    })
    expect(evaluate('error_rate_max', 0.09, results)).toMatchObject({ passed: false })
  })

  test('a run without pairs passes no expectation', () => {
    for (const name of EXPECTATION_NAMES) expect(evaluate(name, 0, []).passed).toBe(false)
  })

  test('at most 20 pairs are listed, and all are counted', () => {
    const results = Array.from({ length: 50 }, () => failed(Outcome.OUTCOME_UNREACHABLE))
    const result = evaluate('throughput_min', 1, results)
    expect([result.failed.length, result.failedCount]).toEqual([20, 50])
  })
})

describe('for every expectation and any results', () => {
  const anyTime = fc.double({ min: 1e-6, max: 1, noNaN: true })
  const anyRate = fc.integer({ min: 1, max: 1_000_000 })
  const anyResult = fc.oneof(
    anyRate.map((bitsPerSecond) =>
      iperf({ bitsPerSecond, sentBytes: 1e6, retransmitCount: bitsPerSecond % 100, senderCpuRatio: 0.5 }),
    ),
    fc.tuple(anyRate, anyTime).map(([rate, time]) => transactions(rate, time)),
    fc.array(anyTime, { minLength: 1, maxLength: 5 }).map((times) => ping(times)),
    fc
      .constantFrom(Outcome.OUTCOME_UNREACHABLE, Outcome.OUTCOME_INVALID, Outcome.OUTCOME_NOT_RUN)
      .map(failed),
  )
  const anyName = fc.constantFrom(...EXPECTATION_NAMES)
  const anyResults = fc.array(anyResult, { maxLength: 8 })
  const anyLimit = fc.double({ min: 0, max: 1e6, noNaN: true })

  test('it passes when all pairs and the fleet pass, and every pair is counted once', () => {
    fc.assert(
      fc.property(anyName, anyLimit, anyResults, (name, limit, results) => {
        const { passed, passedCount, failedCount, fleetValue } = evaluate(name, limit, results)
        expect(passedCount + failedCount).toBe(results.length)
        const fleet =
          fleetValue !== undefined && (isMinimum(name) ? fleetValue >= limit : fleetValue <= limit)
        const pairs = failedCount === 0 || name === 'error_rate_max'
        expect(passed).toBe(fleet && pairs)
      }),
    )
  })

  test('a looser limit passes when a tighter one passes', () => {
    fc.assert(
      fc.property(anyName, anyLimit, anyLimit, anyResults, (name, one, other, results) => {
        const [low, high] = [Math.min(one, other), Math.max(one, other)]
        const [tight, loose] = isMinimum(name) ? [high, low] : [low, high]
        if (evaluate(name, tight, results).passed) expect(evaluate(name, loose, results).passed).toBe(true)
      }),
    )
  })

  test('the order of the results does not matter', () => {
    fc.assert(
      fc.property(anyName, anyLimit, anyResults, (name, limit, results) => {
        const forth = evaluate(name, limit, results)
        const back = evaluate(name, limit, [...results].reverse())
        expect([back.passed, back.failedCount]).toEqual([forth.passed, forth.failedCount])
        if (forth.fleetValue !== undefined) expect(back.fleetValue).toBeCloseTo(forth.fleetValue, 6)
      }),
    )
  })

  test('a further pair without a value never makes it pass', () => {
    fc.assert(
      fc.property(anyName, anyLimit, anyResults, (name, limit, results) => {
        const more = [...results, failed(Outcome.OUTCOME_UNREACHABLE)]
        const before = evaluate(name, limit, results)
        const after = evaluate(name, limit, more)
        expect(after.failedCount).toBe(before.failedCount + 1)
        if (name !== 'error_rate_max') expect(after.passed).toBe(false)
        else if (!before.passed && results.length > 0) expect(after.passed).toBe(false)
      }),
    )
  })
})
