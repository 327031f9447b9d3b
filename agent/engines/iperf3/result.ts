/** Derives the result of a test from the output of iperf3 and the way it ended. Pure. */

import { Direction, IperfResult } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { toDuration } from '../../../lib/protobuf-time.ts'
import { formatBytes } from '../../../lib/units.ts'
import type { ProcessResult } from '../../processes.ts'
import { quote } from '../program-error.ts'
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
  /** The agent ended it because no connection was open in time. */
  neverConnected: boolean
}

/** With more unknown lines than this, the program is not iperf3. */
export const MAX_UNKNOWN_LINES = 100

type TestOutcome = {
  outcome: Outcome
  reason: string
  retryable: boolean
  /** The figures to report; absent when none of them can be trusted. */
  figures?: Figures
}

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

const outcomeOfDeadline = ({ began, lastMovedSeconds }: Observed, process: ProcessResult): TestOutcome => {
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
    const reason = `iperf3 reported impossible figures: ${quote(impossible)}`
    return { outcome: Outcome.OUTCOME_INVALID, reason, retryable: false }
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
  const testOutcome = (outcome: Outcome, reason: string): TestOutcome => ({
    outcome,
    reason,
    retryable: false,
  })
  if (process.notFound) return testOutcome(Outcome.OUTCOME_NOT_RUN, process.reason)
  if (process.flooded) return testOutcome(Outcome.OUTCOME_INVALID, process.reason)
  if (observed.neverConnected) return testOutcome(Outcome.OUTCOME_UNREACHABLE, 'the server did not answer')
  // iperf3 writes messages, and even a summary, when a signal ends it: the deadline has precedence.
  if (process.timedOut) return outcomeOfDeadline(observed, process)
  if (observed.unknown.length > MAX_UNKNOWN_LINES) {
    return testOutcome(
      Outcome.OUTCOME_INVALID,
      `the output is not that of iperf3: ${quote(observed.unknown[0]!)}`,
    )
  }
  const [error] = observed.errors
  if (error) return outcomeOfError(error, observed.began)
  const wrote = observed.unknown.map(quote).find((text) => text !== '')
  if (process.reason) {
    const reason = wrote && !process.reason.includes(wrote) ? `${process.reason}: ${wrote}` : process.reason
    return testOutcome(observed.began ? Outcome.OUTCOME_INVALID : Outcome.OUTCOME_NOT_RUN, quote(reason))
  }
  const { sender, receiver, impossible } = observed.figures ?? {}
  if (observed.figures && (receiver || sender || impossible !== undefined))
    return outcomeOfFigures(observed.figures, plan, mode)
  const reason = `iperf3 ended without a summary${wrote ? `; it wrote: ${wrote}` : ''}`
  return testOutcome(Outcome.OUTCOME_INVALID, reason)
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

export const resultOf = ({ outcome, reason, figures }: TestOutcome, plan: IperfPlan): IperfResult => {
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
  })
}
