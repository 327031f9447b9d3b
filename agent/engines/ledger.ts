/**
 * Sees to it that each probe of a target is counted exactly once. ping programs are silent about probes that they
 * could not send (no route, larger than the MTU): those show only as holes in the sequence, and a hole is a loss.
 */

import type { PingProbe } from './engine.ts'

type LedgerOptions = {
  targetIndex: number
  /**
   * How many later probes may be heard of before a silent one counts as lost. Answers and time-outs come out of order
   * when the timeout is longer than the interval.
   */
  slack: number
  /** Why a probe is missing of which the program said nothing. */
  missingReason: string
}

/** Slack for a program that reports a probe at the latest after its timeout; one more for their own order. */
export const slackOf = (timeoutSeconds: number, intervalSeconds: number): number =>
  Math.ceil(timeoutSeconds / intervalSeconds) + 2

/** Sequence numbers count from 0. Each call gives the probes that are now settled. */
export const createLedger = ({ targetIndex, slack, missingReason }: LedgerOptions) => {
  /** All below are settled. */
  let settledBelow = 0
  const settledAbove = new Set<number>()
  /** What the network said of the next loss, such as an ICMP error. */
  let complaint = ''

  const settle = (sequence: number, rttSeconds: number | undefined): PingProbe[] => {
    if (sequence < settledBelow || settledAbove.has(sequence)) return []
    settledAbove.add(sequence)
    while (settledAbove.delete(settledBelow)) settledBelow++
    const reason = rttSeconds === undefined ? complaint : ''
    complaint = ''
    return [{ targetIndex, rttSeconds, refused: false, reason }]
  }
  const missing = (below: number): PingProbe[] => {
    const probes: PingProbe[] = []
    while (settledBelow < below) {
      complaint ||= missingReason
      probes.push(...settle(settledBelow, undefined))
    }
    return probes
  }

  return {
    answered: (sequence: number, rttSeconds: number): PingProbe[] => settle(sequence, rttSeconds),
    lost: (sequence: number): PingProbe[] => settle(sequence, undefined),
    complain: (reason: string): void => {
      complaint = reason
    },
    /** This probe of some target has been heard of: what should have come long before is lost. */
    heardOf: (sequence: number): PingProbe[] => missing(sequence - slack),
    /** The program has ended after this many probes: what is still open is lost. */
    finish: (sentCount: number): PingProbe[] => missing(sentCount),
    settledCount: (): number => settledBelow + settledAbove.size,
  }
}
