/** Evaluates the expectations of a run, for every pair and for the fleet. Pure. */

import { type IperfResult, Protocol } from '#proto/meshgauge/agent/v1/iperf.ts'
import type { Expectation } from '#proto/meshgauge/collector/v1/result.ts'
import type { Violation } from '../../lib/errors.ts'
import { type ExpectationName, isExpectation, isMinimum, unknownExpectation } from '../../lib/expectations.ts'
import { mergeHistograms, quantile } from '../../lib/histogram.ts'
import { fromDuration } from '../../lib/protobuf-time.ts'
import { isMeasured } from '../dispatch/outcomes.ts'
import type { EndpointPair, PairResult } from '../dispatch/pair-result.ts'
import type { RunTest } from '../plan/run-spec.ts'

/** Most failed pairs that are listed for one expectation. The results contain all of them. */
const MAX_FAILED = 20

/** The value of one pair for an expectation; undefined when the pair was not measured. */
export type PairExpectation = { readonly pair: EndpointPair; readonly value: number | undefined }

/** Whether an expectation was met, by every pair and by the fleet. */
export type ExpectationResult = {
  readonly expectation: Expectation
  readonly passed: boolean
  /** Undefined when nothing was measured. */
  readonly fleetValue: number | undefined
  readonly passedCount: number
  /** Pairs that did not meet it, worst first. */
  readonly failed: readonly PairExpectation[]
  readonly failedCount: number
  /** The worst pair. Undefined when the expectation applies to the fleet only, and without pairs. */
  readonly worst: PairExpectation | undefined
}

/** The kind of test, which decides which expectations apply. */
export type TestKind = 'ping' | 'tcp' | 'udp' | 'transactions' | 'connections'

export const kindOf = (test: RunTest): TestKind => {
  if (test.kind === 'ping') return 'ping'
  if (test.requestResponse) return test.extraArguments.includes('-c') ? 'connections' : 'transactions'
  return test.protocol === Protocol.PROTOCOL_UDP ? 'udp' : 'tcp'
}

/** Returns the payload bytes of a full TCP segment of a pair. */
export type SegmentBytes = (result: PairResult) => number

type Measured = { result: PairResult; value: number }

type Rule = {
  /** The kinds of tests that it applies to. */
  kinds: readonly TestKind[]
  /** Returns the value of a measured pair in base units; undefined when the engine does not report it. */
  read(result: PairResult, segmentBytes: SegmentBytes): number | undefined
  /** Returns the value of the fleet; the mean over the measured pairs when absent. */
  fleet?(measured: readonly Measured[], results: readonly PairResult[]): number | undefined
  /** The limit applies only to the fleet. Pairs pass when they have a value, or all of them. */
  fleetOnly?: 'measured' | 'all'
}

const STREAMS = ['tcp', 'udp'] as const
const TRANSACTIONS = ['transactions', 'connections'] as const
const ALL = ['ping', ...STREAMS, ...TRANSACTIONS] as const

const iperfOf = ({ values }: PairResult): IperfResult | undefined =>
  values?.kind === 'iperf' ? values : undefined
const pingOf = ({ values }: PairResult) => (values?.kind === 'ping' ? values : undefined)

/** Returns the throughput; of a bidirectional test, that of the slower direction. */
const throughputOf = (result: PairResult): number | undefined => {
  const { bitsPerSecond, reverseBitsPerSecond } = iperfOf(result) ?? {}
  return bitsPerSecond === undefined ? undefined : Math.min(bitsPerSecond, reverseBitsPerSecond ?? Infinity)
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
const mean = (values: readonly number[]): number | undefined =>
  values.length === 0 ? undefined : sum(values) / values.length
const valuesOf = (measured: readonly Measured[]): number[] => measured.map(({ value }) => value)
const largest = (measured: readonly Measured[]): number | undefined =>
  measured.length === 0 ? undefined : measured.reduce((most, { value }) => Math.max(most, value), 0)

/** Returns standard deviation over mean; undefined for no values. */
const variationOf = (values: readonly number[]): number | undefined => {
  const middle = mean(values)
  if (middle === undefined || middle === 0) return undefined
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2))!) / middle
}

const THROUGHPUT: Omit<Rule, 'kinds'> = { read: throughputOf }

type Percentile = 'p50' | 'p90' | 'p99'
const QUANTILES: Record<Percentile, number> = { p50: 0.5, p90: 0.9, p99: 0.99 }

/**
 * Percentiles are never averaged. Those of pings come from the merged histograms. Transactions have no histograms, so the
 * fleet gets the percentile of the worst pair, which is an upper bound.
 */
const percentile = (which: Percentile): Rule => ({
  kinds: ['ping', ...TRANSACTIONS],
  read: (result) => {
    const ping = pingOf(result)
    if (ping) return ping.histogram && quantile(ping.histogram, QUANTILES[which])
    return fromDuration(iperfOf(result)?.transactions?.[which])
  },
  fleet: (measured) => {
    const histograms = measured.flatMap(({ result }) => pingOf(result)?.histogram ?? [])
    return histograms.length > 0 ? quantile(mergeHistograms(histograms), QUANTILES[which]) : largest(measured)
  },
})

/** Returns the value whose variation from pair to pair is judged. */
const mainFigure = (result: PairResult): number | undefined =>
  iperfOf(result)?.transactions?.perSecond ?? throughputOf(result) ?? fromDuration(pingOf(result)?.rtt?.avg)

const retransmissionRate: Rule['read'] = (result, segmentBytes) => {
  const { retransmitCount, sentBytes } = iperfOf(result) ?? {}
  if (retransmitCount === undefined || !sentBytes) return undefined
  const segments = sentBytes / segmentBytes(result)
  return retransmitCount / Math.max(segments, retransmitCount, 1)
}

const transactionRate: Omit<Rule, 'kinds'> = { read: (result) => iperfOf(result)?.transactions?.perSecond }

const RULES: Record<ExpectationName, Rule> = {
  throughput_min: { kinds: STREAMS, ...THROUGHPUT },
  tcp_throughput_min: { kinds: ['tcp'], ...THROUGHPUT },
  udp_throughput_min: { kinds: ['udp'], ...THROUGHPUT },
  total_throughput_min: {
    kinds: STREAMS,
    ...THROUGHPUT,
    fleet: (measured) => (measured.length === 0 ? undefined : sum(valuesOf(measured))),
    fleetOnly: 'measured',
  },
  mean_latency_max: {
    kinds: ['ping', ...TRANSACTIONS],
    read: (result) => fromDuration(pingOf(result)?.rtt?.avg ?? iperfOf(result)?.transactions?.mean),
  },
  p50_latency_max: percentile('p50'),
  p90_latency_max: percentile('p90'),
  p99_latency_max: percentile('p99'),
  max_latency_max: {
    kinds: ['ping', ...TRANSACTIONS],
    read: (result) => fromDuration(pingOf(result)?.rtt?.max ?? iperfOf(result)?.transactions?.max),
    fleet: largest,
  },
  latency_stddev_max: {
    kinds: TRANSACTIONS,
    read: (result) => fromDuration(iperfOf(result)?.transactions?.standardDeviation),
  },
  jitter_max: {
    kinds: ['ping', 'udp'],
    read: (result) => fromDuration(pingOf(result)?.rtt?.jitter ?? iperfOf(result)?.jitter),
  },
  packet_loss_max: {
    kinds: ['ping', 'udp'],
    read: (result) => pingOf(result)?.lossRatio ?? iperfOf(result)?.lossRatio,
  },
  retransmission_rate_max: { kinds: ['tcp'], read: retransmissionRate },
  error_rate_max: {
    kinds: ALL,
    read: () => 0,
    fleet: (measured, results) =>
      results.length === 0 ? undefined : (results.length - measured.length) / results.length,
    fleetOnly: 'all',
  },
  cpu_util_max: {
    kinds: [...STREAMS, ...TRANSACTIONS],
    read: (result) => {
      const { senderCpuRatio, receiverCpuRatio } = iperfOf(result) ?? {}
      if (senderCpuRatio === undefined && receiverCpuRatio === undefined) return undefined
      return Math.max(senderCpuRatio ?? 0, receiverCpuRatio ?? 0)
    },
  },
  cv_max: {
    kinds: ALL,
    // For a pair: variation between intervals. 0 for a result without intervals.
    read: ({ samples }) =>
      variationOf(samples.filter(({ reverse }) => !reverse).map(({ bitsPerSecond }) => bitsPerSecond)) ?? 0,
    // For the fleet: variation between pairs.
    fleet: (measured) => variationOf(measured.flatMap(({ result }) => mainFigure(result) ?? [])),
  },
  transaction_rate_min: { kinds: TRANSACTIONS, ...transactionRate },
  connection_rate_min: { kinds: ['connections'], ...transactionRate },
}

/** The name of each kind of test in messages. */
export const KIND_WORDS: Record<TestKind, string> = {
  ping: 'ping',
  tcp: 'iperf with TCP',
  udp: 'iperf with UDP',
  transactions: 'iperf with requests and responses (engine netperf)',
  connections: 'iperf with a connection for each transaction (engine netperf)',
}

/** Whether a test of this kind measures the expectation. */
export const appliesTo = (name: ExpectationName, kind: TestKind): boolean => RULES[name].kinds.includes(kind)

/** Returns the tests that measure an expectation, as text. */
export const measuredBy = (name: ExpectationName): string =>
  RULES[name].kinds.map((kind) => KIND_WORDS[kind]).join(', or ')

/** Returns all problems of the expectations of a run. */
export const checkExpectations = (expectations: readonly Expectation[], test: RunTest): Violation[] =>
  expectations.flatMap(({ name, limit }, index) => {
    const at = `expectations[${index}]`
    if (!isExpectation(name)) return [{ field: `${at}.name`, description: unknownExpectation(name) }]
    const violations: Violation[] = []
    if (!Number.isFinite(limit) || limit < 0)
      violations.push({ field: `${at}.limit`, description: `${limit} is not a number from 0` })
    if (!appliesTo(name, kindOf(test))) {
      const description = `${name} is measured by ${measuredBy(name)}; this run is ${KIND_WORDS[kindOf(test)]}`
      violations.push({ field: `${at}.name`, description })
    }
    return violations
  })

const meets = (name: string, value: number | undefined, limit: number): boolean =>
  value !== undefined && (isMinimum(name) ? value >= limit : value <= limit)

/** Orders pairs without a value first, then by distance from the limit. */
const worse = (name: string) => (one: PairExpectation, other: PairExpectation) => {
  const badness = ({ value }: PairExpectation) =>
    value === undefined ? Number.POSITIVE_INFINITY : isMinimum(name) ? -value : value
  const [first, second] = [badness(one), badness(other)]
  return first === second ? 0 : second - first
}

const evaluate = (
  expectation: Expectation,
  results: readonly PairResult[],
  segmentBytes: SegmentBytes,
): ExpectationResult => {
  const { name, limit } = expectation
  if (!isExpectation(name)) throw new Error(`unknown expectation ${name}`)
  const { read, fleet, fleetOnly } = RULES[name]
  const measured: Measured[] = []
  const failed: PairExpectation[] = []
  const isWorse = worse(name)
  let worst: PairExpectation | undefined
  for (const result of results) {
    const value = isMeasured(result) ? read(result, segmentBytes) : undefined
    if (value !== undefined) measured.push({ result, value })
    const pair = { source: result.source, destination: result.destination }
    const each: PairExpectation = { pair, value }
    if (!fleetOnly && (!worst || isWorse(each, worst) < 0)) worst = each
    if (fleetOnly ? value === undefined : !meets(name, value, limit)) failed.push(each)
  }
  const fleetValue = fleet ? fleet(measured, results) : mean(valuesOf(measured))
  // A fleet of one pair, or with only zeros, has no variation.
  const judged = name === 'cv_max' && measured.length > 0 ? (fleetValue ?? 0) : fleetValue
  const pairsPass = fleetOnly === 'all' || failed.length === 0
  return {
    expectation,
    passed: pairsPass && meets(name, judged, limit),
    fleetValue: judged,
    passedCount: results.length - failed.length,
    failed: failed.sort(isWorse).slice(0, MAX_FAILED),
    failedCount: failed.length,
    worst,
  }
}

/** Evaluates every expectation of a run, in their order. A pair without a value fails an expectation. */
export const evaluateExpectations = (
  expectations: readonly Expectation[],
  results: readonly PairResult[],
  segmentBytes: SegmentBytes,
): ExpectationResult[] => expectations.map((expectation) => evaluate(expectation, results, segmentBytes))
