/** Converts summaries of runs from and to their messages: those of the API and of stored records. */

import type {
  ExpectationResult as ExpectationResultMessage,
  InterfaceSummary as InterfaceSummaryMessage,
  PairExpectation as PairExpectationMessage,
  RttSpread as RttSpreadMessage,
  Summary as SummaryMessage,
} from '#proto/meshgauge/collector/v1/result.ts'
import { fromDuration, toDuration } from '../../lib/protobuf-time.ts'
import type { ExpectationResult, PairExpectation } from './expectations.ts'
import type { InterfaceSummary, RttSpread, Summary } from './summary.ts'
import { endpointPairOf } from './verdict-message.ts'

const rttOf = ({ min, avg, p50, p99, max }: RttSpreadMessage): RttSpread => ({
  minSeconds: fromDuration(min) ?? 0,
  avgSeconds: fromDuration(avg) ?? 0,
  p50Seconds: fromDuration(p50) ?? 0,
  p99Seconds: fromDuration(p99) ?? 0,
  maxSeconds: fromDuration(max) ?? 0,
})

const rttMessage = (rtt: RttSpread): RttSpreadMessage => ({
  min: toDuration(rtt.minSeconds),
  avg: toDuration(rtt.avgSeconds),
  p50: toDuration(rtt.p50Seconds),
  p99: toDuration(rtt.p99Seconds),
  max: toDuration(rtt.maxSeconds),
})

const interfaceSummaryOf = (message: InterfaceSummaryMessage): InterfaceSummary => ({
  ...message,
  lossRatio: message.lossRatio,
  rtt: message.rtt && rttOf(message.rtt),
  worst: message.worst.map(endpointPairOf),
})

const interfaceSummaryMessage = ({ lossRatio, ...summary }: InterfaceSummary): InterfaceSummaryMessage => ({
  ...summary,
  bitsPerSecond: summary.bitsPerSecond && { ...summary.bitsPerSecond },
  ...(lossRatio !== undefined && { lossRatio }),
  rtt: summary.rtt && rttMessage(summary.rtt),
  worst: [...summary.worst],
})

const pairExpectationOf = ({ pair, value }: PairExpectationMessage): PairExpectation => ({
  pair: endpointPairOf(pair ?? { source: undefined, destination: undefined }),
  value,
})

const pairExpectationMessage = ({ pair, value }: PairExpectation): PairExpectationMessage => ({
  pair,
  ...(value !== undefined && { value }),
})

const expectationResultOf = (message: ExpectationResultMessage): ExpectationResult => ({
  ...message,
  expectation: message.expectation ?? { name: '', limit: 0 },
  fleetValue: message.fleetValue,
  failed: message.failed.map(pairExpectationOf),
  worst: message.worst && pairExpectationOf(message.worst),
})

const expectationResultMessage = ({
  fleetValue,
  ...result
}: ExpectationResult): ExpectationResultMessage => ({
  ...result,
  ...(fleetValue !== undefined && { fleetValue }),
  failed: result.failed.map(pairExpectationMessage),
  worst: result.worst && pairExpectationMessage(result.worst),
})

export const summaryOf = (message: SummaryMessage): Summary => ({
  ...message,
  interfaces: message.interfaces.map(interfaceSummaryOf),
  expectations: message.expectations.map(expectationResultOf),
})

export const summaryMessage = (summary: Summary): SummaryMessage => ({
  ...summary,
  interfaces: summary.interfaces.map(interfaceSummaryMessage),
  expectations: summary.expectations.map(expectationResultMessage),
})
