import { IperfResult } from '#proto/meshgauge/agent/v1/iperf.ts'
import type { PingStatistics } from '#proto/meshgauge/agent/v1/ping.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { Run as RunMessage, RunState, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { createHistogram } from '../../../lib/histogram.ts'
import { toDuration, toTimestamp } from '../../../lib/protobuf-time.ts'
import { createPairResult, type PairResult } from '../../dispatch/pair-result.ts'
import type { Run } from '../../store/run.ts'
import { runOf } from '../../store/run-message.ts'

/** Runs and results for tests of metrics. */

const START = new Date('2025-03-01T12:00:00Z')
export const TRACE_ID = '0af7651916cd43dd8448eb211c80319c'
export const END = new Date('2025-03-01T12:00:10Z')

type Test = 'ping' | 'iperf'

/** A run of a mesh that took 10 s; its plan estimated 9 s. */
export const endedRun = (test: Test, fields: Partial<Run> = {}): Run => ({
  ...runOf(
    RunMessage.fromPartial({
      id: '01955f00-0000-7000-8000-000000000001',
      traceId: TRACE_ID,
      spec: { topology: { kind: TopologyKind.TOPOLOGY_KIND_MESH }, test: { $case: test, value: {} } },
      state: RunState.RUN_STATE_COMPLETED,
      plan: { pairCount: 6, duration: toDuration(9) },
      startTime: toTimestamp(START),
      endTime: toTimestamp(END),
    }),
  ),
  ...fields,
})

const pair = (source: string, destination: string, outcome: Outcome) => ({
  source: { node: source, interface: 'net0', address: '' },
  destination: { node: destination, interface: 'net0', address: '' },
  outcome,
  endTime: toTimestamp(END),
})

export const iperfPair = (source: string, destination: string, bitsPerSecond: number): PairResult =>
  createPairResult({
    ...pair(source, destination, Outcome.OUTCOME_MEASURED),
    values: { kind: 'iperf', ...IperfResult.fromPartial({ bitsPerSecond }) },
  })

/** A pair without values. */
export const failedPair = (source: string, destination: string, outcome: Outcome): PairResult =>
  createPairResult(pair(source, destination, outcome))

/** Statistics as an agent computes them. */
export const pingStatistics = (sentCount: number, roundTrips: readonly number[]): PingStatistics => {
  const sorted = [...roundTrips].sort((a, b) => a - b)
  const histogram = createHistogram()
  for (const seconds of sorted) histogram.record(seconds)
  const at = (q: number) => toDuration(sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? 0)
  const avg = toDuration(sorted.reduce((a, b) => a + b, 0) / sorted.length)
  const rtt = { min: at(0), avg, p50: at(0.5), p99: at(0.99), max: at(1), jitter: toDuration(0) }
  return {
    sentCount,
    receivedCount: sorted.length,
    lossRatio: (sentCount - sorted.length) / sentCount,
    rtt: sorted.length > 0 ? rtt : undefined,
    histogram: sorted.length > 0 ? histogram.toMessage() : undefined,
  }
}

/** A pair that sent `sentCount` probes and received an answer for each of `roundTrips` (seconds). */
export const pingPair = (
  source: string,
  destination: string,
  sentCount: number,
  roundTrips: readonly number[],
): PairResult =>
  createPairResult({
    ...pair(
      source,
      destination,
      roundTrips.length > 0 ? Outcome.OUTCOME_MEASURED : Outcome.OUTCOME_UNREACHABLE,
    ),
    values: { kind: 'ping', ...pingStatistics(sentCount, roundTrips) },
  })
