/** Derives the result of a test from the output of iperf3 and the way it ended. Pure. */

import { Direction, IperfResult } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { toDuration } from '../../../lib/protobuf-time.ts'
import { formatBytes } from '../../../lib/units.ts'
import type { ProcessResult } from '../../processes.ts'
import { quote } from '../program-error.ts'
import { type Fault, faultOfEnd, programFault } from '../program-fault.ts'
import type { ConnectionState } from '../program-state.ts'
import { BYTES_INTERVAL_SECONDS, type IperfPlan, type Mode } from './args.ts'
import type { Figure, Figures } from './output-events.ts'

/** Everything that was observed of one client. */
export type Observed = {
  began: boolean
  errors: readonly string[]
  figures: Figures | undefined
  /** End of the last interval in which bytes moved. */
  lastMovedSeconds: number
  unknown: readonly string[]
  /** The agent ended it because the test did not begin in time: how far its connection was. */
  silence: ConnectionState | 'stopped' | undefined
  /** Time of its last line, in seconds since its start. */
  lastLineSeconds: number
}

/** With more unknown lines than this, the program is not iperf3. */
export const MAX_UNKNOWN_LINES = 100

type TestOutcome = {
  outcome: Outcome
  reason: string
  retryable: boolean
  /** The figures to report; absent when none of them can be trusted. */
  figures?: Figures
  /** Why iperf3 itself is at fault. */
  fault?: Fault
}

const faulty = (fault: string): TestOutcome => ({
  outcome: Outcome.OUTCOME_INVALID,
  reason: `iperf3 ${fault}`,
  retryable: false,
  fault,
})

/** The first matching rule decides; `began` restricts a rule to tests that had begun, or had not. */
const ERRORS: { pattern: RegExp; began?: boolean; outcome: Outcome; retryable?: boolean }[] = [
  { pattern: /server is busy/, outcome: Outcome.OUTCOME_REFUSED, retryable: true },
  { pattern: /Connection refused/, outcome: Outcome.OUTCOME_REFUSED, retryable: true },
  { pattern: /access denied|not authorized/i, outcome: Outcome.OUTCOME_REFUSED },
  { pattern: /Cannot assign requested address|No such device/, outcome: Outcome.OUTCOME_NOT_RUN },
  {
    pattern: /unreachable|No route to host|Host is down|timed out/i,
    began: false,
    outcome: Outcome.OUTCOME_UNREACHABLE,
  },
  {
    pattern: /unreachable|No route to host|Host is down|timed out/i,
    began: true,
    outcome: Outcome.OUTCOME_TIMED_OUT,
  },
  // The server's process ended; a fault of the network is not proven.
  {
    pattern: /reset by peer|closed unexpectedly|server has terminated|Broken pipe/,
    outcome: Outcome.OUTCOME_INVALID,
  },
  // It never sent a byte: this kernel or this version of iperf3 lacks an option.
  { pattern: /./, began: false, outcome: Outcome.OUTCOME_NOT_RUN },
  { pattern: /./, began: true, outcome: Outcome.OUTCOME_INVALID },
]

const outcomeOfError = (text: string, began: boolean): TestOutcome => {
  const rule = ERRORS.find((each) => each.pattern.test(text) && (each.began ?? began) === began)
  const outcome = rule?.outcome ?? Outcome.OUTCOME_INVALID
  return { outcome, reason: `iperf3: ${quote(text)}`, retryable: rule?.retryable ?? false }
}

/** Whose silence it is when no test began: that of the network, of the server's program, or of this one. */
const outcomeOfSilence = (silence: NonNullable<Observed['silence']>, { udp }: IperfPlan): TestOutcome => {
  if (silence === 'stopped') return faulty('hangs: it is stopped')
  if (silence === 'none') return faulty('hangs: it opened no connection and printed no result')
  // Streams of UDP begin with a datagram, which the network may drop although the control connection works.
  const isServer = silence === 'acknowledged' && !udp
  return {
    outcome: isServer ? Outcome.OUTCOME_INVALID : Outcome.OUTCOME_UNREACHABLE,
    reason: isServer
      ? "the program of the server does not answer, although the server's host acknowledged all that was sent"
      : 'the server did not answer',
    retryable: false,
  }
}

/** Longest silence of a test that runs: iperf3 prints a line in each interval, also while no bytes move. */
const MAX_SILENT_INTERVALS = 3
const MIN_SILENT_SECONDS = 5

/** iperf3 stopped to print before the end of the test: a network that is cut does not have this effect. */
const isHung = ({ began, lastLineSeconds }: Observed, plan: IperfPlan): boolean => {
  const silentSeconds = plan.durationSeconds + plan.omitSeconds - lastLineSeconds
  const most = Math.max(MIN_SILENT_SECONDS, MAX_SILENT_INTERVALS * plan.intervalSeconds)
  return began && plan.bytes === undefined && silentSeconds > most
}

const outcomeOfDeadline = (observed: Observed, process: ProcessResult, plan: IperfPlan): TestOutcome => {
  const { began, lastMovedSeconds, lastLineSeconds } = observed
  if (isHung(observed, plan))
    return faulty(`hangs: it printed its last line ${lastLineSeconds.toFixed(1)} s after its start`)
  const last =
    lastMovedSeconds > 0 ? `the last bytes moved at ${lastMovedSeconds.toFixed(1)} s` : 'no bytes moved'
  return {
    outcome: began ? Outcome.OUTCOME_TIMED_OUT : Outcome.OUTCOME_UNREACHABLE,
    reason: began ? `${process.reason}; ${last}` : `the test did not begin: ${process.reason}`,
    retryable: false,
  }
}

/** Largest share of the duration of a test by bytes that may be idle: see BYTES_INTERVAL_SECONDS. */
const MAX_IDLE_RATIO = 0.05

const outcomeOfFigures = (figures: Figures, plan: IperfPlan, mode: Mode): TestOutcome => {
  const { sender, receiver, reverseReceiver, impossible } = figures
  if (impossible !== undefined) {
    return faulty(`reported impossible figures: ${quote(impossible)}`)
  }
  const bidirectional = plan.direction === Direction.DIRECTION_BIDIRECTIONAL
  if (!receiver || (bidirectional && !reverseReceiver)) {
    const reason = 'iperf3 ended without the count of the receiver'
    return { outcome: Outcome.OUTCOME_INVALID, reason, retryable: false }
  }
  const silent =
    receiver.bytes === 0 ? 'receiver' : bidirectional && reverseReceiver?.bytes === 0 ? 'client' : ''
  if (silent) {
    // A rate of 0 would look like a slow link. It is known only that nothing arrived.
    const sent = sender ? ` of ${formatBytes(sender.bytes)} sent` : ''
    const reason = `the ${silent} received 0 bytes${silent === 'receiver' ? sent : ''}`
    return {
      outcome: Outcome.OUTCOME_UNREACHABLE,
      reason,
      retryable: false,
      figures: sender ? { sender } : {},
    }
  }
  if (
    mode === 'json' &&
    plan.bytes !== undefined &&
    receiver.seconds < BYTES_INTERVAL_SECONDS / MAX_IDLE_RATIO
  ) {
    const took = `${formatBytes(plan.bytes)} took at most ${receiver.seconds.toFixed(1)} s`
    const reason = `${took}, too short for this version of iperf3 to measure the rate; send more bytes, or set a duration`
    return { outcome: Outcome.OUTCOME_INVALID, reason, retryable: false }
  }
  return { outcome: Outcome.OUTCOME_MEASURED, reason: '', retryable: false, figures }
}

export const testOutcomeOf = (
  observed: Observed,
  process: ProcessResult,
  plan: IperfPlan,
  mode: Mode,
): TestOutcome => {
  if (process.notFound || process.flooded) return faulty(faultOfEnd(process)!)
  if (observed.silence !== undefined) return outcomeOfSilence(observed.silence, plan)
  // iperf3 writes messages, and even a summary, when a signal ends it: the deadline has precedence.
  if (process.timedOut) return outcomeOfDeadline(observed, process, plan)
  if (observed.unknown.length > MAX_UNKNOWN_LINES)
    return faulty(`prints what iperf3 does not print: ${quote(observed.unknown[0]!)}`)
  const fault = faultOfEnd(process)
  if (fault !== undefined) return faulty(fault)
  const [error] = observed.errors
  if (error) return outcomeOfError(error, observed.began)
  const wrote = observed.unknown.map(quote).find((text) => text !== '')
  if (process.reason) {
    const reason = wrote && !process.reason.includes(wrote) ? `${process.reason}: ${wrote}` : process.reason
    return faulty(`fails without an error of iperf3: ${quote(reason)}`)
  }
  const { sender, receiver, impossible } = observed.figures ?? {}
  if (observed.figures && (receiver || sender || impossible !== undefined))
    return outcomeOfFigures(observed.figures, plan, mode)
  return faulty(`ended without a summary${wrote ? `; it wrote: ${wrote}` : ''}`)
}

/** Largest difference between the loss of datagrams and that of bytes: the last ones may arrive after the count. */
const MAX_LOSS_DIFFERENCE = 0.3

/** The loss that the receiver reports; undefined when the bytes that both ends counted contradict it. */
const lossRatioOf = (sender: Figure | undefined, receiver: Figure | undefined): number | undefined => {
  const ratio = receiver?.lossRatio
  if (ratio === undefined || !sender?.bytes) return ratio
  const lostBytes = 1 - receiver!.bytes / sender.bytes
  return Math.abs(ratio - lostBytes) > MAX_LOSS_DIFFERENCE ? undefined : ratio
}

export const resultOf = ({ outcome, reason, figures, fault }: TestOutcome, plan: IperfPlan): IperfResult => {
  const { sender, receiver, reverseReceiver, localCpuRatio, remoteCpuRatio } = figures ?? {}
  const reverse = plan.direction === Direction.DIRECTION_REVERSE
  const jitterSeconds = receiver?.jitterSeconds
  return IperfResult.fromPartial({
    outcome,
    reason,
    bitsPerSecond: receiver?.bitsPerSecond,
    senderBitsPerSecond: sender?.bitsPerSecond,
    receivedBytes: receiver?.bytes,
    sentBytes: sender?.bytes,
    retransmitCount: sender?.retransmits,
    senderCpuRatio: reverse ? remoteCpuRatio : localCpuRatio,
    receiverCpuRatio: reverse ? localCpuRatio : remoteCpuRatio,
    reverseBitsPerSecond: reverseReceiver?.bitsPerSecond,
    jitter: jitterSeconds === undefined ? undefined : toDuration(jitterSeconds),
    lossRatio: lossRatioOf(sender, receiver),
    duration: receiver && toDuration(receiver.seconds),
    omitted: plan.omitSeconds > 0 ? toDuration(plan.omitSeconds) : undefined,
    programFault: programFault('iperf3', fault),
  })
}
