/** The JSON document of a run for `--json` and `runs export`. Unknown values are absent. Units are in the names. */

import type { IperfResult, IperfSample, TransactionResult } from '#proto/meshgauge/agent/v1/iperf.ts'
import type { PingStatistics, RttStatistics } from '#proto/meshgauge/agent/v1/ping.ts'
import type {
  Endpoint,
  EndpointPair,
  ExpectationResult,
  InterfaceSummary,
  Judgement,
  PairExpectation,
  PairResult,
  Verdict,
} from '#proto/meshgauge/collector/v1/result.ts'
import type { Plan, Run } from '#proto/meshgauge/collector/v1/run.ts'
import { fromDuration, fromTimestamp } from '../../lib/protobuf-time.ts'
import {
  culpritWord,
  directionWord,
  judgementWord,
  outcomeWord,
  runTest,
  runTopology,
  stateWord,
} from './enum-words.ts'
import { hostsDocument, nodesMetadataDocument } from './host-document.ts'
import { isMarked } from './pair-matrix.ts'
import { wallTime } from './wall-time.ts'

/** Undefined for an empty text, which protobuf uses for an absent one. */
const text = (value: string | undefined): string | undefined => (value ? value : undefined)

export const endpoint = (value: Endpoint | undefined) => ({
  node: value?.node ?? '',
  interface: value?.interface ?? '',
  address: text(value?.address),
})

const endpointPair = ({ source, destination }: EndpointPair) => ({
  source: endpoint(source),
  destination: endpoint(destination),
})

const rttDocument = (rtt: RttStatistics) => ({
  min: fromDuration(rtt.min),
  avg: fromDuration(rtt.avg),
  p50: fromDuration(rtt.p50),
  p99: fromDuration(rtt.p99),
  max: fromDuration(rtt.max),
})

const pingDocument = ({ sentCount, receivedCount, lossRatio, rtt }: PingStatistics) => ({
  sentCount,
  receivedCount,
  lossRatio,
  rttSeconds: rtt && rttDocument(rtt),
  jitterSeconds: fromDuration(rtt?.jitter),
})

const intervalDocument = (sample: IperfSample) => ({
  startSeconds: fromDuration(sample.start) ?? 0,
  endSeconds: fromDuration(sample.end) ?? 0,
  bitsPerSecond: sample.bitsPerSecond,
  bytes: sample.bytes,
  retransmitCount: sample.retransmitCount,
  omitted: sample.omitted || undefined,
  reverse: sample.reverse || undefined,
})

const transactionsDocument = (transactions: TransactionResult) => ({
  perSecond: transactions.perSecond,
  latencySeconds: {
    min: fromDuration(transactions.min),
    mean: fromDuration(transactions.mean),
    p50: fromDuration(transactions.p50),
    p90: fromDuration(transactions.p90),
    p99: fromDuration(transactions.p99),
    max: fromDuration(transactions.max),
    standardDeviation: fromDuration(transactions.standardDeviation),
  },
})

const iperfDocument = (result: IperfResult, samples: readonly IperfSample[]) => ({
  bitsPerSecond: result.bitsPerSecond,
  senderBitsPerSecond: result.senderBitsPerSecond,
  reverseBitsPerSecond: result.reverseBitsPerSecond,
  receivedBytes: result.receivedBytes,
  sentBytes: result.sentBytes,
  retransmitCount: result.retransmitCount,
  senderCpuRatio: result.senderCpuRatio,
  receiverCpuRatio: result.receiverCpuRatio,
  jitterSeconds: fromDuration(result.jitter),
  lossRatio: result.lossRatio,
  transactions: result.transactions && transactionsDocument(result.transactions),
  durationSeconds: fromDuration(result.duration),
  omittedSeconds: fromDuration(result.omitted),
  programValues: Object.keys(result.programValues).length > 0 ? result.programValues : undefined,
  intervals: samples.map(intervalDocument),
})

const linkSpeeds = ({ sourceSpeedBitsPerSecond, destinationSpeedBitsPerSecond }: PairResult) =>
  sourceSpeedBitsPerSecond === undefined && destinationSpeedBitsPerSecond === undefined
    ? undefined
    : { source: sourceSpeedBitsPerSecond, destination: destinationSpeedBitsPerSecond }

export const pairDocument = (pair: PairResult) => ({
  source: endpoint(pair.source),
  destination: endpoint(pair.destination),
  outcome: outcomeWord(pair.outcome),
  reason: text(pair.reason),
  ping: pair.values?.$case === 'ping' ? pingDocument(pair.values.value) : undefined,
  iperf: pair.values?.$case === 'iperf' ? iperfDocument(pair.values.value, pair.samples) : undefined,
  engine: pair.engine && { name: pair.engine.name, version: pair.engine.version },
  hosts: hostsDocument(pair),
  linkSpeedsBitsPerSecond: linkSpeeds(pair),
  programFault: pair.programFault && { ...pair.programFault },
  marked: isMarked(pair) || undefined,
  attemptCount: pair.attemptCount,
  round: pair.round || undefined,
  traceId: text(pair.traceId),
  spanId: text(pair.spanId),
  startTime: fromTimestamp(pair.startTime)?.toISOString(),
  endTime: fromTimestamp(pair.endTime)?.toISOString(),
})

const interfaceDocument = (summary: InterfaceSummary, test: 'ping' | 'iperf') => ({
  interface: summary.interface,
  measuredCount: summary.measuredCount,
  bitsPerSecond: summary.bitsPerSecond && { ...summary.bitsPerSecond },
  aggregateBitsPerSecond:
    test === 'iperf' && summary.measuredCount > 0 ? summary.aggregateBitsPerSecond : undefined,
  lossRatio: summary.lossRatio,
  rttSeconds: summary.rtt && {
    min: fromDuration(summary.rtt.min),
    avg: fromDuration(summary.rtt.avg),
    p50: fromDuration(summary.rtt.p50),
    p99: fromDuration(summary.rtt.p99),
    max: fromDuration(summary.rtt.max),
  },
  markedCount: summary.markedCount,
  worst: summary.worst.map(endpointPair),
})

export const verdictDocument = (verdict: Verdict) => ({
  kind: culpritWord(verdict.kind),
  node: text(verdict.node),
  interface: text(verdict.interface),
  direction: directionWord(verdict.direction),
  peer: text(verdict.peer),
  rack: text(verdict.rack),
  confidence: verdict.confidence,
  message: verdict.message,
  nodes: verdict.nodes.length > 0 ? verdict.nodes : undefined,
  program: text(verdict.program),
  pairCount: verdict.pairCount,
  pairsFor: verdict.pairsFor.map(endpointPair),
  pairsAgainst: verdict.pairsAgainst.map(endpointPair),
  retested: verdict.retested,
})

export const judgementDocument = ({ coverage, ...judgement }: Judgement) => ({
  state: judgementWord(judgement.state),
  headline: judgement.headline,
  notes: judgement.notes,
  requestedCount: coverage?.requestedCount ?? 0,
  observedCount: coverage?.observedCount ?? 0,
  unobserved: coverage?.unobserved ?? [],
  unobservedCount: coverage?.unobservedCount ?? 0,
  markedCount: judgement.markedCount,
  missedExpectationCount: judgement.missedExpectationCount,
  exitCode: judgement.exitCode,
})

const missDocument = ({ pair, value }: PairExpectation) => ({
  ...(pair && endpointPair(pair)),
  value,
})

/** Values are in base units: bit/s, seconds, ratios from 0 to 1, or per second. */
const expectationDocument = (result: ExpectationResult) => ({
  name: result.expectation?.name,
  limit: result.expectation?.limit,
  passed: result.passed,
  fleetValue: result.fleetValue,
  passedCount: result.passedCount,
  failedCount: result.failedCount,
  worst: result.worst && missDocument(result.worst),
  failed: result.failed.map(missDocument),
})

export const planDocument = (plan: Plan) => ({
  nodes: plan.nodeCount,
  pairs: plan.pairCount,
  rounds: plan.roundCount,
  lowerBound: plan.lowerBound,
  ratio: plan.ratio,
  bottleneck: text(plan.bottleneck),
  seconds: fromDuration(plan.duration),
  bytes: plan.bytes,
  certified: plan.certified,
})

/** A run without its results. */
export const runDocument = (run: Run) => ({
  id: run.id,
  label: text(run.spec?.label),
  state: stateWord(run.state),
  stateReason: text(run.stateReason),
  topology: runTopology(run),
  test: runTest(run),
  profile: text(run.spec?.profile),
  interfaces: run.spec?.interfaces.length ? run.spec.interfaces : undefined,
  createTime: fromTimestamp(run.createTime)?.toISOString(),
  startTime: fromTimestamp(run.startTime)?.toISOString(),
  endTime: fromTimestamp(run.endTime)?.toISOString(),
  traceId: text(run.traceId),
})

export const summaryDocument = (run: Run) => {
  const wall = wallTime(run)
  const { summary } = run
  return {
    measuredCount: summary?.measuredCount ?? 0,
    failedCount: summary?.failedCount ?? 0,
    invalidCount: summary?.invalidCount ?? 0,
    notRunCount: summary?.notRunCount ?? 0,
    wallSeconds: wall.seconds,
    idealSeconds: wall.idealSeconds,
    efficiencyRatio: wall.efficiencyRatio,
    interfaces: (summary?.interfaces ?? []).map((each) => interfaceDocument(each, runTest(run))),
    judgement: run.judgement && judgementDocument(run.judgement),
    verdicts: run.verdicts.map(verdictDocument),
    expectations: summary?.expectations.length ? summary.expectations.map(expectationDocument) : undefined,
  }
}

export const resultDocument = (run: Run, pairs: readonly PairResult[]) => ({
  run: { ...runDocument(run), nodes: nodesMetadataDocument(run.nodeMetadata) },
  plan: run.plan && planDocument(run.plan),
  pairs: pairs.map(pairDocument),
  summary: summaryDocument(run),
})
