/**
 * A pair in the output format of the Arcaflow iperf3 workflow: uuid, run_id, iperf3, metadata, pcp. Names and units are
 * those of iperf3. The store has the sums of all streams; with one stream, the sums are also the figures of that stream.
 */

import type { NodeMetadata } from '#proto/meshgauge/agent/v1/agent.ts'
import { Direction, type IperfOptions, type IperfResult, Protocol } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import type { Run } from '#proto/meshgauge/collector/v1/run.ts'
import { fromDuration, fromTimestamp } from '../../lib/protobuf-time.ts'
import { outcomeWord } from './enum-words.ts'
import { pcpSamples } from './host-document.ts'

const MEBIBYTE = 1024 * 1024

const optionsOf = (run: Run): IperfOptions | undefined =>
  run.spec?.test?.$case === 'iperf' ? run.spec.test.value.options : undefined

const startDocument = (run: Run, pair: PairResult) => {
  const options = optionsOf(run)
  const node = run.nodeMetadata[pair.source?.node ?? '']
  const began = fromTimestamp(pair.startTime)
  return {
    connected: [{ local_host: pair.source?.address, remote_host: pair.destination?.address }],
    version: pair.engine && `iperf ${pair.engine.version}`,
    system_info: node && `Linux ${node.fqdn} ${node.kernel} ${node.architecture}`,
    title: `${pair.source?.node} ${pair.source?.interface} > ${pair.destination?.node} ${pair.destination?.interface}`,
    timestamp: began && { time: began.toUTCString(), timesecs: Math.floor(began.getTime() / 1000) },
    connecting_to: { host: pair.destination?.address },
    test_start: {
      protocol: options?.protocol === Protocol.PROTOCOL_UDP ? 'UDP' : 'TCP',
      num_streams: options?.parallelCount ?? 1,
      blksize: options?.lengthBytes,
      omit: fromDuration(options?.omit) ?? 0,
      duration: fromDuration(options?.duration) ?? 0,
      bytes: options?.bytes ?? 0,
      blocks: 0,
      reverse: options?.direction === Direction.DIRECTION_REVERSE ? 1 : 0,
      bidir: options?.direction === Direction.DIRECTION_BIDIRECTIONAL ? 1 : 0,
      tos: options?.tos ?? (options?.dscp ?? 0) * 4,
      target_bitrate: options?.bitsPerSecond ?? 0,
    },
  }
}

/** Whether the client sends. iperf3 calls this `sender`. */
const clientSends = (options: IperfOptions | undefined): boolean =>
  options?.direction !== Direction.DIRECTION_REVERSE

/** Whether the test has one stream, whose figures are those of the sum. */
const isSingle = (options: IperfOptions | undefined): boolean =>
  (options?.parallelCount ?? 1) === 1 && options?.direction !== Direction.DIRECTION_BIDIRECTIONAL

const intervalDocuments = (options: IperfOptions | undefined, pair: PairResult) => {
  const byTime = Map.groupBy(pair.samples, ({ start, end }) => `${fromDuration(start)} ${fromDuration(end)}`)
  return [...byTime.values()].map((samples) => {
    const document: Record<string, unknown> = { streams: [] }
    for (const sample of samples) {
      const [start, end] = [fromDuration(sample.start) ?? 0, fromDuration(sample.end) ?? 0]
      const sum = {
        start,
        end,
        seconds: end - start,
        bytes: sample.bytes,
        bits_per_second: sample.bitsPerSecond,
        retransmits: sample.retransmitCount,
        omitted: sample.omitted,
        sender: sample.reverse ? false : clientSends(options),
      }
      if (isSingle(options)) document.streams = [sum]
      document[sample.reverse ? 'sum_bidir_reverse' : 'sum'] = sum
    }
    return document
  })
}

const percent = (ratio: number | undefined): number | undefined =>
  ratio === undefined ? undefined : ratio * 100

const endDocument = (options: IperfOptions | undefined, result: IperfResult) => {
  const seconds = fromDuration(result.duration)
  const whole = { start: 0, end: seconds, seconds }
  const sender = clientSends(options)
  const sent = {
    ...whole,
    bytes: result.sentBytes,
    bits_per_second: result.senderBitsPerSecond,
    retransmits: result.retransmitCount,
    sender,
  }
  const jitter = fromDuration(result.jitter)
  const datagrams =
    jitter === undefined && result.lossRatio === undefined
      ? {}
      : {
          jitter_ms: jitter === undefined ? undefined : jitter * 1000,
          lost_percent: percent(result.lossRatio),
        }
  const received = {
    ...whole,
    bytes: result.receivedBytes,
    bits_per_second: result.bitsPerSecond,
    ...datagrams,
    sender,
  }
  const reverse = result.reverseBitsPerSecond
  const [local, remote] = sender
    ? [result.senderCpuRatio, result.receiverCpuRatio]
    : [result.receiverCpuRatio, result.senderCpuRatio]
  return {
    streams: isSingle(options) ? [{ sender: sent, receiver: received }] : [],
    sum: options?.protocol === Protocol.PROTOCOL_UDP ? received : undefined,
    sum_sent: sent,
    sum_received: received,
    sum_received_bidir_reverse:
      reverse === undefined ? undefined : { ...whole, bits_per_second: reverse, sender: false },
    cpu_utilization_percent: { host_total: percent(local), remote_total: percent(remote) },
  }
}

/** As in iperf3, a failed test has the same keys and an `error`. */
const iperfDocument = (run: Run, pair: PairResult) => {
  const options = optionsOf(run)
  const result = pair.values?.$case === 'iperf' ? pair.values.value : undefined
  const measured = pair.outcome === Outcome.OUTCOME_MEASURED && result !== undefined
  return {
    start: startDocument(run, pair),
    intervals: intervalDocuments(options, pair),
    end: measured ? endDocument(options, result) : {},
    error: measured ? undefined : `${outcomeWord(pair.outcome)}${pair.reason && `: ${pair.reason}`}`,
  }
}

/** The keys of the metadata plugin, which are Ansible facts. Ansible writes NA for values missing in DMI. */
const metadataDocument = (node: NodeMetadata | undefined) => {
  if (!node) return {}
  const { cpuSocketCount, cpuCoresPerSocketCount, cpuThreadsPerCoreCount } = node
  const threads = cpuSocketCount * cpuCoresPerSocketCount * cpuThreadsPerCoreCount
  const uptime = fromDuration(node.uptime)
  return {
    architecture: node.architecture,
    fqdn: node.fqdn,
    kernel: node.kernel,
    memtotal_mb: Math.floor(node.memoryBytes / MEBIBYTE),
    swaptotal_mb: Math.floor(node.swapBytes / MEBIBYTE),
    processor: Array.from({ length: threads }, (_, cpu) => [cpu, node.cpuVendor, node.cpuModel])
      .flat()
      .filter((part) => part !== ''),
    processor_cores: cpuCoresPerSocketCount,
    processor_count: cpuSocketCount,
    processor_threads_per_core: cpuThreadsPerCoreCount,
    product_name: node.productName || 'NA',
    product_version: node.productVersion || 'NA',
    system_vendor: node.systemVendor || 'NA',
    uptime_seconds: uptime === undefined ? undefined : Math.floor(uptime),
  }
}

/** Converts lists of mixed types to lists of strings, because Elasticsearch accepts only lists of one type. */
export const homogeneous = (value: unknown): unknown => {
  if (Array.isArray(value)) {
    const mixed = value.some((each) => typeof each === 'string')
    return value.map((each) =>
      mixed && ['number', 'boolean'].includes(typeof each) ? String(each) : homogeneous(each),
    )
  }
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, homogeneous(each)]))
}

/** One document of the workflow's output `success`. PCP samples and metadata are those of the client's node. */
export const arcaflowDocument = (run: Run, pair: PairResult) => ({
  uuid: run.id,
  run_id: run.spec?.label ?? '',
  iperf3: { output: homogeneous(iperfDocument(run, pair)) },
  metadata: homogeneous(metadataDocument(run.nodeMetadata[pair.source?.node ?? ''])),
  pcp: { pcp_output: homogeneous(pcpSamples(pair.sourceHost?.pcpJson ?? '') ?? []) },
})

/** One line of JSON for each pair. */
export const renderArcaflow = (run: Run, pairs: readonly PairResult[]): string =>
  pairs.map((pair) => JSON.stringify(arcaflowDocument(run, pair))).join('\n')
