import { stringify } from 'csv-stringify/sync'
import type { PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import { pairDocument } from './run-document.ts'

type PairDocument = ReturnType<typeof pairDocument>
type Value = string | number | undefined

const COLUMNS: readonly (readonly [string, (pair: PairDocument) => Value])[] = [
  ['source_node', (pair) => pair.source.node],
  ['source_interface', (pair) => pair.source.interface],
  ['source_address', (pair) => pair.source.address],
  ['destination_node', (pair) => pair.destination.node],
  ['destination_interface', (pair) => pair.destination.interface],
  ['destination_address', (pair) => pair.destination.address],
  ['outcome', (pair) => pair.outcome],
  ['reason', (pair) => pair.reason],
  ['bits_per_second', (pair) => pair.iperf?.bitsPerSecond],
  ['sender_bits_per_second', (pair) => pair.iperf?.senderBitsPerSecond],
  ['retransmit_count', (pair) => pair.iperf?.retransmitCount],
  ['loss_ratio', (pair) => pair.ping?.lossRatio ?? pair.iperf?.lossRatio],
  ['rtt_min_seconds', (pair) => pair.ping?.rttSeconds?.min],
  ['rtt_avg_seconds', (pair) => pair.ping?.rttSeconds?.avg],
  ['rtt_p50_seconds', (pair) => pair.ping?.rttSeconds?.p50],
  ['rtt_p99_seconds', (pair) => pair.ping?.rttSeconds?.p99],
  ['rtt_max_seconds', (pair) => pair.ping?.rttSeconds?.max],
  ['jitter_seconds', (pair) => pair.ping?.jitterSeconds ?? pair.iperf?.jitterSeconds],
  ['engine', (pair) => pair.engine && `${pair.engine.name} ${pair.engine.version}`],
  ['attempt_count', (pair) => pair.attemptCount],
  ['start_time', (pair) => pair.startTime],
  ['trace_id', (pair) => pair.traceId],
  ['end_time', (pair) => pair.endTime],
  ['received_bytes', (pair) => pair.iperf?.receivedBytes],
  ['sent_bytes', (pair) => pair.iperf?.sentBytes],
  ['reverse_bits_per_second', (pair) => pair.iperf?.reverseBitsPerSecond],
  ['sender_cpu_ratio', (pair) => pair.iperf?.senderCpuRatio],
  ['receiver_cpu_ratio', (pair) => pair.iperf?.receiverCpuRatio],
  ['transactions_per_second', (pair) => pair.iperf?.transactions?.perSecond],
  ['latency_min_seconds', (pair) => pair.iperf?.transactions?.latencySeconds.min],
  ['latency_mean_seconds', (pair) => pair.iperf?.transactions?.latencySeconds.mean],
  ['latency_p50_seconds', (pair) => pair.iperf?.transactions?.latencySeconds.p50],
  ['latency_p90_seconds', (pair) => pair.iperf?.transactions?.latencySeconds.p90],
  ['latency_p99_seconds', (pair) => pair.iperf?.transactions?.latencySeconds.p99],
  ['latency_max_seconds', (pair) => pair.iperf?.transactions?.latencySeconds.max],
  ['latency_stddev_seconds', (pair) => pair.iperf?.transactions?.latencySeconds.standardDeviation],
]

/** One line for each pair. A value that was not measured is an empty field, not a 0. */
export const renderCsv = (pairs: readonly PairResult[]): string =>
  stringify(
    pairs.map(pairDocument).map((pair) => COLUMNS.map(([, value]) => value(pair))),
    // A spreadsheet would run a text that begins like a formula: such a text gets an apostrophe.
    { header: true, columns: COLUMNS.map(([name]) => name), escape_formulas: true, eof: false },
  )
