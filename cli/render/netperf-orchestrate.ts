/**
 * Results in the export format of netperf-orchestrate: one entry per pair with client, server, their addresses, success,
 * exit_code, elapsed_time, stdout, stderr and command. The store does not have the output of programs, so `stdout` is
 * generated: netperf's key=value lines if netperf measured, else lines in that format, with netperf's names if it has
 * one for the value. `command` repeats the test from the client's shell: it is the agent's command line with the standard
 * port of the program, and with text output. It needs a server (`iperf3 -s`, `netserver`), because the agent's has ended.
 * `exit_code` is 0 for a measured pair (`success`), else -1, which netperf-orchestrate uses for tests that it ended.
 */

import type { IperfResult } from '#proto/meshgauge/agent/v1/iperf.ts'
import { PingRequest, type PingStatistics } from '#proto/meshgauge/agent/v1/ping.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import type { IperfTest, PingTest, Run } from '#proto/meshgauge/collector/v1/run.ts'
import { fpingArgs } from '../../agent/engines/fping/args.ts'
import { clientArgs as iperf3Args } from '../../agent/engines/iperf3/args.ts'
import { clientArgs as netperfArgs } from '../../agent/engines/netperf/args.ts'
import { pingArgs } from '../../agent/engines/ping/args.ts'
import { planPing } from '../../agent/engines/ping-request.ts'
import { ENGINES, type IperfEngineName } from '../../lib/engines.ts'
import { parseIpPrefix } from '../../lib/ip-address.ts'
import { fromDuration, fromTimestamp } from '../../lib/protobuf-time.ts'
import { outcomeWord } from './enum-words.ts'

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

/** The standard ports of the servers, for a server that a person starts. */
const PORTS: Record<IperfEngineName, number> = { iperf3: 5201, netperf: 12865 }

/** The engine tcp connects to the agents. */
const AGENT_PORT = 50051

const iperfCommand = (pair: PairResult, test: IperfTest): string[] => {
  const { source, destination, engine } = pair
  const name = ENGINES.iperf.find((each) => each === (engine?.name || test.engine)) ?? 'iperf3'
  const flow = {
    address: destination?.address ?? '',
    port: PORTS[name],
    interface: source?.interface ?? '',
    sourceAddress: source?.address ?? '',
  }
  if (name === 'netperf') return [name, ...netperfArgs(flow, test.options)]
  return [name, ...iperf3Args(flow, test.options, 'text')]
}

const pingCommand = (pair: PairResult, test: PingTest): string[] => {
  const { source, destination, engine } = pair
  const address = destination?.address ?? ''
  const from = {
    interface: source?.interface ?? '',
    addresses: [parseIpPrefix(source?.address ?? '') ?? []].flat(),
  }
  const plan = planPing(PingRequest.fromPartial({ ...test, targets: [{ address }] }))
  const name = engine?.name || test.engine
  if (name === 'ping') return [name, ...pingArgs(address, plan, from)]
  // The agent itself opens the connections of the engine tcp.
  if (name === 'tcp')
    return ['nc', '-z', '-w', String(Math.ceil(plan.timeoutSeconds)), address, String(AGENT_PORT)]
  return ['fping', ...fpingArgs(plan, from)]
}

/** A word as a POSIX shell reads it. */
const shellWord = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`

const commandOf = (run: Run, pair: PairResult): string => {
  const test = run.spec?.test
  if (!test) return ''
  const words = test.$case === 'ping' ? pingCommand(pair, test.value) : iperfCommand(pair, test.value)
  return words.map(shellWord).join(' ')
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
