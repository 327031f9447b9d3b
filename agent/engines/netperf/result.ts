/** Derives the result of a test from the output of netperf and the way it ended. Pure. */

import { IperfResult } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { toDuration } from '../../../lib/protobuf-time.ts'
import { formatBytes } from '../../../lib/units.ts'
import { type FieldName, plausible } from '../../plausibility.ts'
import type { ProcessResult } from '../../processes.ts'
import { quote } from '../program-error.ts'
import { type Fault, faultOfEnd, programFault } from '../program-fault.ts'
import type { ConnectionState } from '../program-state.ts'
import type { NetperfPlan } from './args.ts'

/** Everything that was observed of one client. */
export type Observed = {
  /** Data moved: there was an interim result. */
  began: boolean
  values: ReadonlyMap<string, string>
  messages: readonly string[]
  /** The agent ended it because no data moved in time: how far its control connection was. */
  silence: ConnectionState | 'stopped' | undefined
  /** When it could not connect: the kernel's error for the agent's own attempt, such as ECONNREFUSED. */
  connectError: string
}

/** With more messages than this, the program is not netperf. */
export const MAX_MESSAGES = 100

/** Whether netperf could not open its control connection. It does not report why. */
export const couldNotConnect = (messages: readonly string[]): boolean =>
  messages.some((text) => /^establish.control/.test(text))

type TestOutcome = { outcome: Outcome; reason: string; retryable: boolean; measured: boolean; fault?: Fault }

const failed = (outcome: Outcome, reason: string, retryable = false): TestOutcome => ({
  outcome,
  reason,
  retryable,
  measured: false,
})

const faulty = (fault: string): TestOutcome => ({
  ...failed(Outcome.OUTCOME_INVALID, `netperf ${fault}`),
  fault,
})

const outcomeOfSilence = (silence: NonNullable<Observed['silence']>): TestOutcome => {
  if (silence === 'stopped') return faulty('hangs: it is stopped')
  if (silence === 'none') return faulty('hangs: it opened no connection and printed no result')
  return failed(Outcome.OUTCOME_UNREACHABLE, 'the server did not answer')
}

const CONNECT_ERRORS: Record<string, [Outcome, string]> = {
  ECONNREFUSED: [Outcome.OUTCOME_REFUSED, 'connection refused'],
  EHOSTUNREACH: [Outcome.OUTCOME_UNREACHABLE, 'no route to host'],
  ENETUNREACH: [Outcome.OUTCOME_UNREACHABLE, 'network is unreachable'],
  EHOSTDOWN: [Outcome.OUTCOME_UNREACHABLE, 'host is down'],
  ETIMEDOUT: [Outcome.OUTCOME_UNREACHABLE, 'connection timed out'],
  EADDRNOTAVAIL: [Outcome.OUTCOME_NOT_RUN, 'this node does not have the source address'],
}

const outcomeOfConnectError = (code: string): TestOutcome => {
  const [outcome, words] = CONNECT_ERRORS[code] ?? [
    Outcome.OUTCOME_REFUSED,
    code === '' ? 'no connection, but the port answers now' : `no connection: ${code}`,
  ]
  return failed(outcome, `netperf: ${words}`, outcome === Outcome.OUTCOME_REFUSED)
}

/** The first matching rule decides. */
const MESSAGES: { pattern: RegExp; outcome: Outcome; retryable?: boolean }[] = [
  { pattern: /Address already in use/, outcome: Outcome.OUTCOME_REFUSED, retryable: true },
  { pattern: /Connection refused/, outcome: Outcome.OUTCOME_REFUSED, retryable: true },
  { pattern: /Cannot assign requested address|No such device/, outcome: Outcome.OUTCOME_NOT_RUN },
  { pattern: /unreachable|No route to host|Host is down/i, outcome: Outcome.OUTCOME_UNREACHABLE },
  { pattern: /timed out/i, outcome: Outcome.OUTCOME_TIMED_OUT },
  // netserver ended; a fault of the network is not proven.
  { pattern: /reset by peer|partial response|Broken pipe/, outcome: Outcome.OUTCOME_INVALID },
]

/** The fields of the output selectors whose values are read. */
const FIELDS: readonly [selector: RegExp, field: FieldName][] = [
  [/^THROUGHPUT$/, 'netperf.THROUGHPUT'],
  [/^ELAPSED_TIME$/, 'netperf.ELAPSED_TIME'],
  [/^TRANSACTION_RATE$/, 'netperf.TRANSACTION_RATE'],
  [/^(?:LOCAL|REMOTE)_CPU_UTIL$/, 'netperf.CPU_UTIL'],
  [/^(?:LOCAL|REMOTE)_CPU_COUNT$/, 'netperf.CPU_COUNT'],
  [/^(?:LOCAL|REMOTE)_TRANSPORT_RETRANS$/, 'netperf.TRANSPORT_RETRANS'],
  [/^(?:LOCAL|REMOTE)_BYTES_(?:SENT|RECVD)$/, 'netperf.BYTES'],
  [/^(?:LOCAL|REMOTE)_(?:SEND|RECV)_THROUGHPUT$/, 'netperf.STREAM_THROUGHPUT'],
  [/_LATENCY$/, 'netperf.LATENCY'],
]

const fieldOf = (selector: string): FieldName | undefined =>
  FIELDS.find(([pattern]) => pattern.test(selector))?.[1]

/** The value of a selector; undefined when it is impossible. netperf writes -1 for an unknown value. */
const numberOf = ({ values }: Observed, name: string): number | undefined => {
  const field = fieldOf(name)
  return field && plausible(field, values.get(name))
}

/** The values under netperf's own names, without those that are no number or impossible. */
const shownValues = (observed: Observed): Record<string, string> =>
  Object.fromEntries(
    [...observed.values].filter(([name, text]) =>
      fieldOf(name) === undefined
        ? !/^[+-]?(?:nan|inf|infinity)$/i.test(text)
        : numberOf(observed, name) !== undefined,
    ),
  )

/** Sent and received bytes, each as counted by the endpoint that sent or received them. */
const bytesOf = (observed: Observed, { reverse }: NetperfPlan) => {
  const [sender, receiver] = reverse ? ['REMOTE', 'LOCAL'] : ['LOCAL', 'REMOTE']
  return {
    sent: numberOf(observed, `${sender}_BYTES_SENT`),
    received: numberOf(observed, `${receiver}_BYTES_RECVD`),
    sentRate: numberOf(observed, `${sender}_SEND_THROUGHPUT`),
    receivedRate: numberOf(observed, `${receiver}_RECV_THROUGHPUT`),
  }
}

const outcomeOfValues = (observed: Observed, plan: NetperfPlan): TestOutcome => {
  const used = observed.values.get('LOCAL_CONG_CONTROL')
  if (plan.congestion !== '' && used !== plan.congestion)
    return failed(
      Outcome.OUTCOME_NOT_RUN,
      `this kernel has no congestion control ${plan.congestion}; netperf used ${used}`,
    )
  if (plan.kind === 'transactions') {
    if ((numberOf(observed, 'TRANSACTION_RATE') ?? 0) === 0)
      return failed(Outcome.OUTCOME_UNREACHABLE, 'no response was received')
  } else {
    const { sent, received } = bytesOf(observed, plan)
    if (received === undefined)
      return failed(Outcome.OUTCOME_INVALID, 'netperf ended without the count of the receiver')
    if (received === 0) {
      const of = sent === undefined ? '' : ` of ${formatBytes(sent)} sent`
      return failed(Outcome.OUTCOME_UNREACHABLE, `the receiver received 0 bytes${of}`)
    }
  }
  return { outcome: Outcome.OUTCOME_MEASURED, reason: '', retryable: false, measured: true }
}

export const testOutcomeOf = (observed: Observed, process: ProcessResult, plan: NetperfPlan): TestOutcome => {
  const fault = faultOfEnd(process)
  if (process.notFound || process.flooded) return faulty(fault!)
  if (observed.silence !== undefined) return outcomeOfSilence(observed.silence)
  if (process.timedOut) {
    return observed.began
      ? failed(Outcome.OUTCOME_TIMED_OUT, process.reason)
      : failed(Outcome.OUTCOME_UNREACHABLE, `the test did not begin: ${process.reason}`)
  }
  if (couldNotConnect(observed.messages)) return outcomeOfConnectError(observed.connectError)
  if (observed.messages.length > MAX_MESSAGES)
    return faulty(`prints what netperf does not print: ${quote(observed.messages[0]!)}`)
  if (fault !== undefined) return faulty(fault)
  for (const text of observed.messages) {
    const rule = MESSAGES.find(({ pattern }) => pattern.test(text))
    if (rule) return failed(rule.outcome, `netperf: ${quote(text.replace(/^netperf: /, ''))}`, rule.retryable)
  }
  const wrote = observed.messages.map(quote).find((text) => text !== '')
  if (process.reason) {
    const reason = wrote && !process.reason.includes(wrote) ? `${process.reason}: ${wrote}` : process.reason
    return faulty(`fails without an error that is known: ${quote(reason)}`)
  }
  if (!observed.values.has('THROUGHPUT')) {
    const reason = `ended without a result${wrote ? `; it wrote: ${wrote}` : ''}`
    return faulty(reason)
  }
  return outcomeOfValues(observed, plan)
}

/** Latencies are in microseconds. */
const latency = (observed: Observed, name: string) => {
  const microseconds = numberOf(observed, `${name}_LATENCY`)
  return microseconds === undefined ? undefined : toDuration(microseconds / 1e6)
}

const transactionsOf = (observed: Observed) => ({
  perSecond: numberOf(observed, 'TRANSACTION_RATE') ?? 0,
  min: latency(observed, 'MIN'),
  mean: latency(observed, 'MEAN'),
  p50: latency(observed, 'P50'),
  p90: latency(observed, 'P90'),
  p99: latency(observed, 'P99'),
  max: latency(observed, 'MAX'),
  standardDeviation: latency(observed, 'STDDEV'),
})

/** Converts netperf's share of all CPUs of the host to a number of cores. */
const coresOf = (observed: Observed, end: 'LOCAL' | 'REMOTE'): number | undefined => {
  const percent = numberOf(observed, `${end}_CPU_UTIL`)
  const count = numberOf(observed, `${end}_CPU_COUNT`)
  // netperf reports over 100 % when its count is wrong, as after TCP_CRR: the field's limits exclude that.
  if (percent === undefined || count === undefined) return undefined
  return (percent / 100) * count
}

/** Below this rate, two decimals of 10^6 bit/s are not enough, and the bytes are more accurate. */
const COARSE_MBIT = 10

const rateOf = (
  mbits: number | undefined,
  bytes: number | undefined,
  seconds: number | undefined,
): number | undefined => {
  if (mbits !== undefined && mbits >= COARSE_MBIT) return Math.round(mbits * 1e6)
  return bytes === undefined || seconds === undefined ? undefined : Math.round((bytes * 8) / seconds)
}

const streamOf = (observed: Observed, plan: NetperfPlan, seconds: number | undefined) => {
  const { sent, received, sentRate, receivedRate } = bytesOf(observed, plan)
  return {
    bitsPerSecond: rateOf(receivedRate, received, seconds),
    senderBitsPerSecond: rateOf(sentRate, sent, seconds),
    receivedBytes: received,
    sentBytes: sent,
    lossRatio:
      plan.udp && sent && received !== undefined
        ? plausible('netperf.loss_ratio', 1 - received / sent)
        : undefined,
  }
}

export const resultOf = (testOutcome: TestOutcome, observed: Observed, plan: NetperfPlan): IperfResult => {
  const { outcome, reason, measured } = testOutcome
  if (!measured)
    return IperfResult.fromPartial({
      outcome,
      reason,
      programFault: programFault('netperf', testOutcome.fault),
    })
  const seconds = numberOf(observed, 'ELAPSED_TIME')
  const [sender, receiver] = plan.reverse ? (['REMOTE', 'LOCAL'] as const) : (['LOCAL', 'REMOTE'] as const)
  return IperfResult.fromPartial({
    outcome,
    reason,
    ...(plan.kind === 'transactions'
      ? { transactions: transactionsOf(observed) }
      : streamOf(observed, plan, seconds)),
    retransmitCount: plan.udp ? undefined : numberOf(observed, `${sender}_TRANSPORT_RETRANS`),
    senderCpuRatio: coresOf(observed, sender),
    receiverCpuRatio: coresOf(observed, receiver),
    duration: seconds === undefined ? undefined : toDuration(seconds),
    omitted: plan.omitSeconds > 0 ? toDuration(plan.omitSeconds) : undefined,
    programValues: shownValues(observed),
  })
}
