/**
 * Counts each probe of a target exactly once. Ping programs do not report probes that they could not send (no route,
 * larger than the MTU): those show only as gaps in the sequence numbers, and a gap is a loss.
 */

import type { PingProbe } from './engine.ts'

type LedgerOptions = {
  targetIndex: number
  /**
   * Number of later probes after which an unreported probe is lost. Answers and timeouts arrive out of order when the
   * timeout is longer than the interval.
   */
  slack: number
  /** The reason of a loss that the program did not report. */
  missingReason: string
}

/** Slack for a program that reports a probe at the latest after its timeout, and one more for their order. */
export const slackOf = (timeoutSeconds: number, intervalSeconds: number): number =>
  Math.ceil(timeoutSeconds / intervalSeconds) + 2

/** More probes than any program leaves out: a larger gap in its numbers is no series of losses. */
const MAX_MISSING = 100_000

/** Sequence numbers count from 0. Each method returns the probes that now have a result. */
export const createProbeLedger = ({ targetIndex, slack, missingReason }: LedgerOptions) => {
  /** All probes below this number have a result. */
  let settledBelow = 0
  const settledAbove = new Set<number>()
  /** The error that the network returned, such as an ICMP message; the reason of the next loss. */
  let networkError = ''

  const settle = (sequence: number, rttSeconds: number | undefined): PingProbe[] => {
    if (sequence < settledBelow || settledAbove.has(sequence)) return []
    settledAbove.add(sequence)
    while (settledAbove.delete(settledBelow)) settledBelow++
    const reason = rttSeconds === undefined ? networkError : ''
    networkError = ''
    return [{ targetIndex, rttSeconds, refused: false, reason }]
  }
  const settleMissing = (below: number): PingProbe[] => {
    const probes: PingProbe[] = []
    if (below - settledBelow > MAX_MISSING) return probes
    while (settledBelow < below) {
      networkError ||= missingReason
      probes.push(...settle(settledBelow, undefined))
    }
    return probes
  }

  return {
    answered: (sequence: number, rttSeconds: number): PingProbe[] => settle(sequence, rttSeconds),
    lost: (sequence: number): PingProbe[] => settle(sequence, undefined),
    setNetworkError: (reason: string): void => {
      networkError = reason
    },
    /** The program has reported this probe of some target: probes that were due long before are lost. */
    reached: (sequence: number): PingProbe[] => settleMissing(sequence - slack),
    /** The program has ended after this number of probes: those without a result are lost. */
    finish: (sentCount: number): PingProbe[] => settleMissing(sentCount),
    settledCount: (): number => settledBelow + settledAbove.size,
  }
}
