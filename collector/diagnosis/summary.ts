import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { countOf, mergeHistograms, quantile } from '../../lib/histogram.ts'
import { fromDuration } from '../../lib/protobuf-time.ts'
import { median } from '../../lib/statistics.ts'
import { isFailed, isMeasured } from '../dispatch/outcomes.ts'
import type { EndpointPair, PairResult } from '../dispatch/pair-result.ts'
import type { ExpectationResult } from './expectations.ts'

/** Most pairs that are listed as the worst. The matrix shows all of them. */
const MAX_WORST = 5

export type Spread = {
  readonly min: number
  readonly mean: number
  readonly median: number
  readonly max: number
}

/** Round-trip times from merged histograms. */
export type RttSpread = {
  readonly minSeconds: number
  readonly avgSeconds: number
  readonly p50Seconds: number
  readonly p99Seconds: number
  readonly maxSeconds: number
}

/** The results of all interfaces with one name. */
export type InterfaceSummary = {
  readonly interface: string
  readonly measuredCount: number
  readonly bitsPerSecond: Spread | undefined
  readonly aggregateBitsPerSecond: number
  /** Loss over all probes of the probed pairs, 0 to 1. */
  readonly lossRatio: number | undefined
  readonly rtt: RttSpread | undefined
  /** The worst measured pairs of those that are marked as bad, worst first. */
  readonly worst: readonly EndpointPair[]
  /** The number of all pairs that are marked as bad. */
  readonly markedCount: number
}

/** The results of a run. */
export type Summary = {
  /** By name. */
  readonly interfaces: readonly InterfaceSummary[]
  readonly measuredCount: number
  readonly failedCount: number
  readonly invalidCount: number
  readonly notRunCount: number
  readonly expectations: readonly ExpectationResult[]
}

const spreadOf = (values: readonly number[]): Spread | undefined => {
  if (values.length === 0) return undefined
  let [min, max, sum] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0]
  for (const value of values) {
    min = Math.min(min, value)
    max = Math.max(max, value)
    sum += value
  }
  return { min, mean: sum / values.length, median: median(values)!, max }
}

const pingsOf = (results: readonly PairResult[]) =>
  results.flatMap(({ values }) => (values?.kind === 'ping' ? [values] : []))

/** Returns the loss over all probes, including those of unreachable pairs: they were sent and lost. */
const lossOf = (results: readonly PairResult[]): number | undefined => {
  const pings = pingsOf(results)
  const sent = pings.reduce((sum, { sentCount }) => sum + sentCount, 0)
  const received = pings.reduce((sum, { receivedCount }) => sum + receivedCount, 0)
  return sent === 0 ? undefined : (sent - received) / sent
}

const rttOf = (results: readonly PairResult[]): RttSpread | undefined => {
  const pings = pingsOf(results)
  const merged = mergeHistograms(pings.flatMap(({ histogram }) => histogram ?? []))
  const count = countOf(merged)
  if (count === 0) return undefined
  const rtts = pings.flatMap(({ rtt }) => rtt ?? [])
  const defined = (seconds: (number | undefined)[]) => seconds.filter((value) => value !== undefined)
  return {
    minSeconds: defined(rtts.map(({ min }) => fromDuration(min))).reduce((one, other) =>
      Math.min(one, other),
    ),
    avgSeconds: (fromDuration(merged.sum) ?? 0) / count,
    p50Seconds: quantile(merged, 0.5)!,
    p99Seconds: quantile(merged, 0.99)!,
    maxSeconds: defined(rtts.map(({ max }) => fromDuration(max))).reduce((one, other) =>
      Math.max(one, other),
    ),
  }
}

/** Orders by throughput, then loss, then round-trip time, the worst first. */
const worse = (one: PairResult, other: PairResult): number => {
  const [first, second] = [one, other].map(({ values }) => ({
    rate: values?.kind === 'iperf' ? (values.bitsPerSecond ?? 0) : 0,
    loss: values?.kind === 'ping' ? values.lossRatio : 0,
    seconds: values?.kind === 'ping' ? (fromDuration(values.rtt?.p50) ?? 0) : 0,
  })) as [Figures, Figures]
  return first.rate - second.rate || second.loss - first.loss || second.seconds - first.seconds
}

type Figures = { rate: number; loss: number; seconds: number }

const interfaceSummary = (name: string, results: PairResult[]): InterfaceSummary => {
  const measured = results.filter(isMeasured)
  const trusted = results.filter((result) => isMeasured(result) || isFailed(result))
  const rates = measured.flatMap(({ values }) =>
    values?.kind === 'iperf' ? (values.bitsPerSecond ?? []) : [],
  )
  const marked = results.filter(({ isMarked }) => isMarked)
  return {
    interface: name,
    measuredCount: measured.length,
    bitsPerSecond: spreadOf(rates),
    aggregateBitsPerSecond: rates.reduce((sum, rate) => sum + rate, 0),
    lossRatio: lossOf(trusted),
    rtt: rttOf(measured),
    worst: marked
      .filter(isMeasured)
      .sort(worse)
      .slice(0, MAX_WORST)
      .map(({ source, destination }) => ({ source, destination })),
    markedCount: marked.length,
  }
}

const nameOf = ({ source }: PairResult): string => source.interface

/** Summarises the results of a run, with their marks, for each interface name. */
export const summarize = (
  results: readonly PairResult[],
  expectations: readonly ExpectationResult[] = [],
): Summary => {
  const interfaces = [...Map.groupBy(results, nameOf)].sort(([one], [other]) => (one < other ? -1 : 1))
  const count = (matches: (result: PairResult) => boolean) => results.filter(matches).length
  return {
    interfaces: interfaces.map(([name, own]) => interfaceSummary(name, own)),
    measuredCount: count(isMeasured),
    failedCount: count(isFailed),
    invalidCount: count(({ outcome }) => outcome === Outcome.OUTCOME_INVALID),
    notRunCount: count(({ outcome }) => outcome === Outcome.OUTCOME_NOT_RUN),
    expectations,
  }
}
