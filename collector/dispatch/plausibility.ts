/**
 * Compares what a pair reports with what is possible: what was received with what was sent, and the rate with the link
 * speed. `measure-iperf.ts` compares the reports of both programs about the same count. A result that fails is INVALID: one of the two programs is wrong, and the network is not blamed.
 */

import { type IperfResult, Protocol } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { formatBitrate, formatBytes } from '../../lib/units.ts'
import type { IperfTest, RunTest } from '../plan/run-spec.ts'
import { isMeasured } from './outcomes.ts'
import type { PairResult } from './pair-result.ts'

/** Counts of the same bytes by two ends differ by less than this ratio. */
const MAX_DIFFERENCE = 0.1

/**
 * TCP data that the sender has counted and the receiver has not yet: in the buffers of both kernels, for each stream.
 * Linux limits them to 4 MB and 6 MB by default. On a slow link this is more than 10 % of a short test.
 */
const BUFFERED_BYTES = 10 * 2 ** 20

/** A rate is computed over whole intervals, so that it can be above the link speed by a little. */
const SPEED_TOLERANCE = 1.05

const differ = (one: number, other: number): boolean =>
  Math.abs(one - other) > MAX_DIFFERENCE * Math.max(one, other)

const countProblem = (
  { sentBytes, receivedBytes }: IperfResult,
  { protocol, parallelCount }: IperfTest,
): string => {
  if (sentBytes === undefined || receivedBytes === undefined || !differ(sentBytes, receivedBytes)) return ''
  const isLost = sentBytes > receivedBytes
  // UDP may lose what was sent. TCP may not, except for what is still buffered.
  if (isLost && protocol === Protocol.PROTOCOL_UDP) return ''
  if (isLost && sentBytes - receivedBytes <= BUFFERED_BYTES * Math.max(1, parallelCount)) return ''
  return `the sender counted ${formatBytes(sentBytes)}, the receiver ${formatBytes(receivedBytes)}`
}

const speedProblem = (
  { bitsPerSecond, reverseBitsPerSecond }: IperfResult,
  { sourceSpeedBitsPerSecond, destinationSpeedBitsPerSecond }: PairResult,
): string => {
  const speed = Math.min(sourceSpeedBitsPerSecond ?? Infinity, destinationSpeedBitsPerSecond ?? Infinity)
  const rate = Math.max(bitsPerSecond ?? 0, reverseBitsPerSecond ?? 0)
  if (rate <= SPEED_TOLERANCE * speed) return ''
  return `${formatBitrate(rate)} is more than the link speed of ${formatBitrate(speed)}`
}

/** Returns the result, or an INVALID one with the reason when its figures cannot be true. */
export const withPlausibility = (result: PairResult, test: RunTest): PairResult => {
  const { values } = result
  if (test.kind !== 'iperf' || values?.kind !== 'iperf' || !isMeasured(result)) return result
  const problem = countProblem(values, test) || speedProblem(values, result)
  if (!problem) return result
  const program = result.engine?.name || test.engine
  return {
    ...result,
    outcome: Outcome.OUTCOME_INVALID,
    reason: `${program}: ${problem}`,
    programFault: { node: '', program, problem: `reports what cannot be true: ${problem}` },
  }
}
