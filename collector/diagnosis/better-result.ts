import { fromDuration } from '../../lib/protobuf-time.ts'
import { isMeasured } from '../dispatch/outcomes.ts'
import type { PairResult } from '../dispatch/pair-result.ts'

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

/**
 * Returns the better result of a pair that was measured again, with the attempts of both. Noise and collisions make some
 * attempts of a healthy pair bad; a faulty pair is bad in all of them.
 */
export const betterResult = (earlier: PairResult, retest: PairResult): PairResult => {
  const better = isWorse(gradesOf(retest), gradesOf(earlier)) ? earlier : retest
  return { ...better, attemptCount: earlier.attemptCount + retest.attemptCount }
}
