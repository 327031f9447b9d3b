import { fromDuration } from '../../lib/protobuf-time.ts'
import { quantileOf, robustDeviation, upperMedian, wilsonLower } from '../../lib/statistics.ts'
import { isFailed, isMeasured } from '../dispatch/outcomes.ts'
import type { PairResult } from '../dispatch/pair-result.ts'
import { defaultHeuristics, type Parameters, type Thresholds } from './thresholds.ts'

/** Why a pair is bad: it could not be measured, or its value is an outlier of its link class. */
export type Fault = 'failed' | 'slow' | 'lossy' | 'late'

/** One pair as the diagnosis sees it. */
export type Sample = {
  readonly result: PairResult
  /** The node that sends the payload, and its interface; in a reversed test the pair's destination. */
  readonly source: string
  readonly sourceInterface: string
  /** The node that receives the payload, and its interface. */
  readonly destination: string
  readonly destinationInterface: string
  /** The link class: 'inside' a rack, 'across' racks, or '' where a rack is unknown. */
  readonly reach: 'inside' | 'across' | ''
  /** Received throughput of a measured iperf. */
  readonly bitsPerSecond: number | undefined
  /** Probes sent and lost, of a ping. */
  readonly sentCount: number
  readonly lostCount: number
  /** Median round-trip time in seconds, of a measured ping. */
  readonly rttSeconds: number | undefined
  /** Undefined for a good pair. */
  fault: Fault | undefined
}

export const isBad = ({ fault }: Sample): boolean => fault !== undefined

const reachOf = (from: string | undefined, to: string | undefined): Sample['reach'] => {
  if (!from || !to) return ''
  return from === to ? 'inside' : 'across'
}

/** Returns a sample for a result that is evidence: measured or failed. INVALID and NOT_RUN are no evidence. */
const toSample = (result: PairResult, racks: ReadonlyMap<string, string>, reversed: boolean): Sample[] => {
  const failed = isFailed(result)
  if (!failed && !isMeasured(result)) return []
  const { values } = result
  const source = reversed ? result.destination : result.source
  const destination = reversed ? result.source : result.destination
  const ping = values?.kind === 'ping' ? values : undefined
  const iperf = values?.kind === 'iperf' ? values : undefined
  return [
    {
      result,
      source: source.node,
      sourceInterface: source.interface,
      destination: destination.node,
      destinationInterface: destination.interface,
      reach: reachOf(racks.get(source.node), racks.get(destination.node)),
      bitsPerSecond: failed ? undefined : iperf?.bitsPerSecond,
      sentCount: ping?.sentCount ?? 0,
      lostCount: ping ? ping.sentCount - ping.receivedCount : 0,
      rttSeconds: failed ? undefined : fromDuration(ping?.rtt?.p50),
      fault: failed ? 'failed' : undefined,
    },
  ]
}

const groupBy = <T, K>(items: readonly T[], keyOf: (item: T) => K): T[][] => [
  ...Map.groupBy(items, keyOf).values(),
]

const append = (rows: Map<string, number[]>, name: string, value: number): void => {
  const row = rows.get(name)
  if (row) row.push(value)
  else rows.set(name, [value])
}

/** The level that the nodes of a link class reach, and its robust standard deviation. */
export type Level = { readonly level: number; readonly deviation: number }

/**
 * Returns what a good pair of a link class reaches. A pair reaches the lesser of what its two interfaces can do, so an
 * interface can do what it reaches in its better pairs: the upper quartile of its row or column. The median over all
 * interfaces is right while most of them are good, even when bad nodes affect more than half of the pairs.
 */
export const levelOf = (
  samples: readonly Sample[],
  figureOf: (sample: Sample) => number | undefined,
  quantile = defaultHeuristics.abilityQuantile,
): Level => {
  const sent = new Map<string, number[]>()
  const received = new Map<string, number[]>()
  for (const sample of samples) {
    const value = figureOf(sample)
    if (value === undefined) continue
    append(sent, sample.source, value)
    append(received, sample.destination, value)
  }
  if (sent.size === 0) return { level: Number.NaN, deviation: 0 }
  const abilities = [...sent.values(), ...received.values()].map((row) => quantileOf(row, quantile)!)
  const level = upperMedian(abilities)!
  return { level, deviation: robustDeviation(abilities, level) }
}

const judgeRates = (samples: readonly Sample[], parameters: Parameters): void => {
  const { level, deviation } = levelOf(samples, (sample) => sample.bitsPerSecond, parameters.abilityQuantile)
  const learned = Math.min(parameters.slowRatio * level, level - parameters.minDeviations * deviation)
  for (const sample of samples) {
    if (sample.bitsPerSecond === undefined) continue
    if (sample.bitsPerSecond < Math.max(parameters.minBitsPerSecond, learned)) sample.fault = 'slow'
  }
}

const judgePings = (samples: readonly Sample[], parameters: Parameters): void => {
  // Smaller round-trip times are better, so the level is that of the negative values.
  const { level, deviation } = levelOf(
    samples,
    (sample) => (sample.rttSeconds === undefined ? undefined : -sample.rttSeconds),
    parameters.abilityQuantile,
  )
  const learned = -level + parameters.minDeviations * deviation
  const limit = Math.max(-parameters.lateFactor * level, -level + parameters.lateSeconds, learned)
  for (const sample of samples) {
    if (sample.fault === 'failed') continue
    if (wilsonLower(sample.lostCount, sample.sentCount) > parameters.lossRatio) sample.fault = 'lossy'
    else if (sample.rttSeconds !== undefined && sample.rttSeconds > limit) sample.fault = 'late'
  }
}

/**
 * Returns the samples of each fabric with their faults, each judged within its link class. A fabric holds the pairs
 * from interfaces of one name to interfaces of one name.
 */
export const judge = (
  results: readonly PairResult[],
  racks: ReadonlyMap<string, string>,
  parameters: Thresholds & Partial<Parameters>,
  reversed = false,
): Sample[][] => {
  const complete = { ...defaultHeuristics, ...parameters }
  const samples = results.flatMap((result) => toSample(result, racks, reversed))
  const fabrics = groupBy(samples, ({ sourceInterface }) => sourceInterface).flatMap((from) =>
    groupBy(from, ({ destinationInterface }) => destinationInterface),
  )
  for (const fabric of fabrics) {
    const classes = groupBy(fabric, ({ reach }) => reach)
    const comparable = classes.every((samples) => samples.length >= complete.minClassSize)
      ? classes
      : [fabric]
    for (const samples of comparable) {
      judgeRates(samples, complete)
      judgePings(samples, complete)
    }
  }
  return fabrics
}
