import type { PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import { fromDuration } from '../../lib/protobuf-time.ts'
import { quantileOf, robustDeviation, upperMedian, wilsonLower } from '../../lib/statistics.ts'
import { isFailed, isMeasured } from '../dispatch/outcomes.ts'
import type { Thresholds } from './thresholds.ts'

/** What is wrong with a pair: no measurement came about, or the value is out of its class. */
export type Fault = 'failed' | 'slow' | 'lossy' | 'late'

/** One pair as the diagnosis sees it. */
export type Sample = {
  readonly result: PairResult
  /** The node that sends the bytes under test, and its interface; of a reversed test, the pair's destination. */
  readonly source: string
  readonly sourceInterface: string
  /** The node that receives them, and its interface. */
  readonly destination: string
  readonly destinationInterface: string
  /** 'inside' of a rack, 'across' racks, or '' where a rack is unknown. */
  readonly reach: 'inside' | 'across' | ''
  /** Received bits per second, of a measured iperf. */
  readonly bitsPerSecond: number | undefined
  /** Probes sent and lost, of a ping. */
  readonly sentCount: number
  readonly lostCount: number
  /** Median round-trip time in seconds, of a measured ping. */
  readonly rttSeconds: number | undefined
  /** Undefined when all is well. */
  fault: Fault | undefined
}

export const isBad = ({ fault }: Sample): boolean => fault !== undefined

/** Rates and round-trip times of fewer pairs than this are compared with the whole fabric, not only their class. */
const MIN_CLASS_SIZE = 4

/** A value is bad only when it is so many robust deviations off: a fleet of mixed NICs accuses nobody. */
const MIN_DEVIATIONS = 4

const reachOf = (from: string | undefined, to: string | undefined): Sample['reach'] => {
  if (!from || !to) return ''
  return from === to ? 'inside' : 'across'
}

/** Pairs that say something: measured, or failed. INVALID and NOT_RUN accuse nobody and count for nothing. */
const toSample = (result: PairResult, racks: ReadonlyMap<string, string>, reversed: boolean): Sample[] => {
  const failed = isFailed(result)
  if (!result.source || !result.destination) return []
  if (!failed && !isMeasured(result)) return []
  const { values } = result
  const source = reversed ? result.destination : result.source
  const destination = reversed ? result.source : result.destination
  const ping = values?.$case === 'ping' ? values.value : undefined
  const iperf = values?.$case === 'iperf' ? values.value : undefined
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

/** The level that the nodes of a class reach, and how far they are apart. */
export type Level = { readonly level: number; readonly deviation: number }

/**
 * What a good pair of a class reaches. A pair reaches the lesser of what its ends can do, so an end can do what
 * it reaches in its better pairs: the upper quartile of its row or column. The median over all ends is right as
 * long as most of them are, even when bad nodes spoil more than half of the pairs.
 */
export const levelOf = (
  samples: readonly Sample[],
  figureOf: (sample: Sample) => number | undefined,
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
  const abilities = [...sent.values(), ...received.values()].map((row) => quantileOf(row, 0.75)!)
  const level = upperMedian(abilities)!
  return { level, deviation: robustDeviation(abilities, level) }
}

const judgeRates = (samples: readonly Sample[], thresholds: Thresholds): void => {
  const { level, deviation } = levelOf(samples, (sample) => sample.bitsPerSecond)
  const learned = Math.min(thresholds.slowRatio * level, level - MIN_DEVIATIONS * deviation)
  for (const sample of samples) {
    if (sample.bitsPerSecond === undefined) continue
    if (sample.bitsPerSecond < Math.max(thresholds.minBitsPerSecond, learned)) sample.fault = 'slow'
  }
}

const judgePings = (samples: readonly Sample[], thresholds: Thresholds): void => {
  // Round-trip times are better when smaller; the negative turns the level's quartile around.
  const { level, deviation } = levelOf(samples, (sample) =>
    sample.rttSeconds === undefined ? undefined : -sample.rttSeconds,
  )
  const learned = -level + MIN_DEVIATIONS * deviation
  const limit = Math.max(-thresholds.lateFactor * level, -level + thresholds.lateSeconds, learned)
  for (const sample of samples) {
    if (sample.fault === 'failed') continue
    if (wilsonLower(sample.lostCount, sample.sentCount) > thresholds.lossRatio) sample.fault = 'lossy'
    else if (sample.rttSeconds !== undefined && sample.rttSeconds > limit) sample.fault = 'late'
  }
}

/**
 * The samples of each fabric, judged by the link class they belong to. A fabric is what can be compared: from
 * interfaces of one name to interfaces of one name.
 */
export const judge = (
  results: readonly PairResult[],
  racks: ReadonlyMap<string, string>,
  thresholds: Thresholds,
  reversed = false,
): Sample[][] => {
  const samples = results.flatMap((result) => toSample(result, racks, reversed))
  const fabrics = groupBy(samples, ({ sourceInterface }) => sourceInterface).flatMap((from) =>
    groupBy(from, ({ destinationInterface }) => destinationInterface),
  )
  for (const fabric of fabrics) {
    const classes = groupBy(fabric, ({ reach }) => reach)
    const comparable = classes.every((samples) => samples.length >= MIN_CLASS_SIZE) ? classes : [fabric]
    for (const samples of comparable) {
      judgeRates(samples, thresholds)
      judgePings(samples, thresholds)
    }
  }
  return fabrics
}
