/**
 * Results in the export format of netperf-orchestrate: one entry per pair with client, server, their addresses, success,
 * exit_code, elapsed_time, stdout, stderr and command. The store does not have the output of programs, so `stdout` is
 * generated: netperf's key=value lines if netperf measured, else lines in that format, with netperf's names if it has
 * one for the value. `command` names the engine and the options and cannot be run. `exit_code` is 0 for a measured pair
 * (`success`), else -1, which netperf-orchestrate uses for tests that it ended.
 */

import type { IperfResult } from '#proto/meshgauge/agent/v1/iperf.ts'
import type { PingStatistics } from '#proto/meshgauge/agent/v1/ping.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import type { Run } from '#proto/meshgauge/collector/v1/run.ts'
import { fromDuration, fromTimestamp } from '../../lib/protobuf-time.ts'
import { outcomeWord, runTest } from './enum-words.ts'

type Lines = [name: string, value: string | number | undefined][]

const MEGABIT = 1e6
const microseconds = (duration: Parameters<typeof fromDuration>[0]): string | undefined => {
  const seconds = fromDuration(duration)
  return seconds === undefined ? undefined : (seconds * 1e6).toFixed(2)
}
const megabits = (rate: number | undefined): string | undefined =>
  rate === undefined ? undefined : (rate / MEGABIT).toFixed(2)

const iperfLines = (result: IperfResult): Lines => [
  ['THROUGHPUT', megabits(result.bitsPerSecond)],
  ['THROUGHPUT_UNITS', result.bitsPerSecond === undefined ? undefined : '10^6bits/s'],
  ['ELAPSED_TIME', fromDuration(result.duration)?.toFixed(2)],
  ['LOCAL_SEND_THROUGHPUT', megabits(result.senderBitsPerSecond)],
  ['REMOTE_RECV_THROUGHPUT', megabits(result.bitsPerSecond)],
  ['LOCAL_BYTES_SENT', result.sentBytes],
  ['REMOTE_BYTES_RECVD', result.receivedBytes],
  ['LOCAL_TRANSPORT_RETRANS', result.retransmitCount],
  ['JITTER', microseconds(result.jitter)],
  ['LOSS_RATIO', result.lossRatio],
]

const pingLines = ({ sentCount, receivedCount, lossRatio, rtt }: PingStatistics): Lines => [
  ['PACKETS_SENT', sentCount],
  ['PACKETS_RECVD', receivedCount],
  ['LOSS_RATIO', lossRatio],
  ['MIN_LATENCY', microseconds(rtt?.min)],
  ['MEAN_LATENCY', microseconds(rtt?.avg)],
  ['P50_LATENCY', microseconds(rtt?.p50)],
  ['P99_LATENCY', microseconds(rtt?.p99)],
  ['MAX_LATENCY', microseconds(rtt?.max)],
  ['JITTER', microseconds(rtt?.jitter)],
]

const linesOf = ({ values }: PairResult): Lines => {
  if (values?.$case === 'ping') return pingLines(values.value)
  if (values?.$case !== 'iperf') return []
  const netperfLines = Object.entries(values.value.programValues)
  return netperfLines.length > 0 ? netperfLines : iperfLines(values.value)
}

const stdoutOf = (pair: PairResult): string =>
  linesOf(pair)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')

const commandOf = (run: Run, { engine, destination }: PairResult): string => {
  const test = run.spec?.test
  const options = test?.$case === 'iperf' ? test.value.options : undefined
  const kind = options?.requestResponse ? 'rr' : runTest(run)
  const words = options?.extraArguments.length ? ` -- ${options.extraArguments.join(' ')}` : ''
  return `${engine?.name ?? runTest(run)} ${kind} ${destination?.address ?? ''}${words}`.trim()
}

export const netperfOrchestrateDocument = (run: Run, pairs: readonly PairResult[]) =>
  pairs.map((pair) => {
    const success = pair.outcome === Outcome.OUTCOME_MEASURED
    const [start, end] = [pair.startTime, pair.endTime].map((time) => fromTimestamp(time)?.getTime())
    return {
      client: pair.source?.node ?? '',
      server: pair.destination?.node ?? '',
      client_address: pair.source?.address ?? '',
      server_address: pair.destination?.address ?? '',
      success,
      exit_code: success ? 0 : -1,
      elapsed_time: start === undefined || end === undefined ? 0 : (end - start) / 1000,
      stdout: success ? stdoutOf(pair) : '',
      ...(success ? {} : { stderr: `${outcomeWord(pair.outcome)}: ${pair.reason}` }),
      command: commandOf(run, pair),
    }
  })
