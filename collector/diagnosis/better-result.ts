import { fromDuration } from '../../lib/protobuf-time.ts'
import { isMeasured } from '../dispatch/outcomes.ts'
import type { PairResult } from '../dispatch/pair-result.ts'
import { resentRatioOf } from './samples.ts'

/** Rates that differ by less are equal: then the result with less loss is the better one. */
const EQUAL_RATES = 0.1

/** The higher, the better: throughput, else received probes; then the shorter round-trip time. */
const gradesOf = (result: PairResult): readonly number[] => {
  const { values } = result
  if (!isMeasured(result) || !values) return [0]
  if (values.kind === 'iperf') return [1, values.transactions?.perSecond ?? values.bitsPerSecond ?? 0]
  return [1, -values.lossRatio, -(fromDuration(values.rtt?.p50) ?? 0)]
}

const isWorse = (one: readonly number[], other: readonly number[]): boolean => {
  for (const [index, grade] of one.entries()) {
    const difference = grade - (other[index] ?? 0)
    if (difference !== 0) return difference < 0
  }
  return false
}

const iperfOf = ({ values }: PairResult) => (values?.kind === 'iperf' ? values : undefined)

/** Whether both rates are nearly the same and the first result shows more loss. */
const isLossyAtEqualRate = (one: PairResult, other: PairResult): boolean => {
  if (!isMeasured(one) || !isMeasured(other)) return false
  const [rate, otherRate] = [one, other].map((result) => iperfOf(result)?.bitsPerSecond ?? 0) as [
    number,
    number,
  ]
  const [resent, otherResent] = [one, other].map((result) => {
    const iperf = iperfOf(result)
    return iperf && resentRatioOf(iperf)
  })
  if (resent === undefined || otherResent === undefined || resent <= otherResent) return false
  return Math.abs(rate - otherRate) <= EQUAL_RATES * Math.max(rate, otherRate)
}

/**
 * Returns the better result of a pair that was measured again, with the attempts of both. Noise and collisions make some
 * attempts of a healthy pair bad; a faulty pair is bad in all of them.
 */
export const betterResult = (earlier: PairResult, retest: PairResult): PairResult => {
  const better = isLossyAtEqualRate(earlier, retest)
    ? retest
    : isLossyAtEqualRate(retest, earlier) || isWorse(gradesOf(retest), gradesOf(earlier))
      ? earlier
      : retest
  return { ...better, attemptCount: earlier.attemptCount + retest.attemptCount }
}
