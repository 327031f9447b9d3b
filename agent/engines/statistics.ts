/** Sums up the probes of one target, for windows and for the summary. */

import type { PingResult, PingStatistics, RttStatistics } from '#proto/meshgauge/agent/v1/ping.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { createHistogram, quantile } from '../../lib/histogram.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import { type PingProbe, UNUSABLE_RTT } from './engine.ts'

const createSums = () => ({
  sent: 0,
  received: 0,
  refused: 0,
  /** Answers with a usable round-trip time. */
  timed: 0,
  min: Number.POSITIVE_INFINITY,
  max: 0,
  total: 0,
  /** Sum and number of the differences between successive round-trip times. */
  jitterSum: 0,
  jitterCount: 0,
  histogram: createHistogram(),
})

/** Counts the probes of one target in windows. */
export const createStatistics = () => {
  let sums = createSums()
  // Jitter compares successive probes, also across windows, because a window may hold a single one.
  let last: number | undefined

  const rttStatistics = (): RttStatistics | undefined => {
    if (sums.timed === 0) return undefined
    const histogram = sums.histogram.toMessage()
    // The middle of a bucket may lie outside of the measured range.
    const within = (q: number) => Math.min(sums.max, Math.max(sums.min, quantile(histogram, q) ?? 0))
    return {
      min: toDuration(sums.min),
      avg: toDuration(sums.total / sums.timed),
      p50: toDuration(within(0.5)),
      p99: toDuration(within(0.99)),
      max: toDuration(sums.max),
      jitter: sums.jitterCount === 0 ? undefined : toDuration(sums.jitterSum / sums.jitterCount),
    }
  }
  const snapshot = (): PingStatistics => ({
    sentCount: sums.sent,
    receivedCount: sums.received,
    lossRatio: sums.sent === 0 ? 0 : (sums.sent - sums.received) / sums.sent,
    rtt: rttStatistics(),
    histogram: sums.timed === 0 ? undefined : sums.histogram.toMessage(),
  })

  return {
    /** A refusal counts as an answer: a packet arrived and one returned. */
    add: ({ rttSeconds, refused }: PingProbe): void => {
      sums.sent++
      if (rttSeconds === undefined) return
      sums.received++
      if (refused) sums.refused++
      if (rttSeconds === UNUSABLE_RTT) return
      sums.timed++
      sums.min = Math.min(sums.min, rttSeconds)
      sums.max = Math.max(sums.max, rttSeconds)
      sums.total += rttSeconds
      sums.histogram.record(rttSeconds)
      if (last !== undefined) {
        sums.jitterSum += Math.abs(rttSeconds - last)
        sums.jitterCount++
      }
      last = rttSeconds
    },
    snapshot,
    refusedCount: (): number => sums.refused,
    /** Returns the statistics since the last call; undefined when there was no probe. */
    take: (): PingStatistics | undefined => {
      if (sums.sent === 0) return undefined
      const window = snapshot()
      sums = createSums()
      return window
    },
  }
}

/** The result of one target over a whole stream. */
export const createTargetResult = (targetIndex: number) => {
  const statistics = createStatistics()
  let lastReason = ''
  return {
    add: (probe: PingProbe): void => {
      statistics.add(probe)
      if (probe.reason) lastReason = probe.reason
    },
    result: (): PingResult => {
      const summary = statistics.snapshot()
      const { sentCount, receivedCount } = summary
      if (receivedCount > statistics.refusedCount()) {
        return {
          targetIndex,
          outcome: Outcome.OUTCOME_MEASURED,
          reason: '',
          statistics: summary,
          programFault: undefined,
          cpuShortage: '',
        }
      }
      if (receivedCount > 0) {
        return {
          targetIndex,
          outcome: Outcome.OUTCOME_REFUSED,
          reason: lastReason || 'connection refused',
          statistics: summary,
          programFault: undefined,
          cpuShortage: '',
        }
      }
      if (sentCount === 0) {
        const reason = 'no probe was sent'
        return {
          targetIndex,
          outcome: Outcome.OUTCOME_NOT_RUN,
          reason,
          statistics: undefined,
          programFault: undefined,
          cpuShortage: '',
        }
      }
      const why = lastReason && `: ${lastReason}`
      return {
        targetIndex,
        outcome: Outcome.OUTCOME_UNREACHABLE,
        reason: `no answer to any of ${sentCount} probes${why}`,
        statistics: summary,
        programFault: undefined,
        cpuShortage: '',
      }
    },
  }
}
