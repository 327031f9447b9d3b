/** What became of a test, from what iperf3 said and how it ended. Pure. */

import { Direction, IperfResult } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { toDuration } from '../../../lib/protobuf-time.ts'
import { formatBytes } from '../../../lib/units.ts'
import type { ProcessResult } from '../../processes.ts'
import { quote } from '../program-error.ts'
import { BYTES_INTERVAL_SECONDS, type IperfPlan, type Mode } from './args.ts'
import type { Figures } from './output-events.ts'

/** All that was seen of one client. */
export type Seen = {
  began: boolean
  errors: readonly string[]
  figures: Figures | undefined
  /** The end of the last interval in which bytes moved. */
  lastMovedSeconds: number
  unknown: readonly string[]
  /** Our own watch gave up on the connection. */
  neverConnected: boolean
}

/** More unknown lines than this, and it is not iperf3 that runs. */
export const MAX_UNKNOWN_LINES = 100

type Verdict = {
  outcome: Outcome
  reason: string
  retryable: boolean
  /** What may be told of the test; absent when nothing of it can be trusted. */
  figures?: Figures
}

/** The first match says it; `began` is whether the rule is for a test that had begun, where that matters. */
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
  // The server's process ended or broke off; the network is not known to be at fault.
  {
    pattern: /reset by peer|closed unexpectedly|server has terminated|Broken pipe/,
    outcome: Outcome.OUTCOME_INVALID,
  },
  // It never sent a byte: options that this kernel or this version of iperf3 does not have.
  { pattern: /./, began: false, outcome: Outcome.OUTCOME_NOT_RUN },
  { pattern: /./, began: true, outcome: Outcome.OUTCOME_INVALID },
]

const verdictOfError = (text: string, began: boolean): Verdict => {
  const rule = ERRORS.find((each) => each.pattern.test(text) && (each.began ?? began) === began)
  const outcome = rule?.outcome ?? Outcome.OUTCOME_INVALID
  return { outcome, reason: `iperf3: ${quote(text)}`, retryable: rule?.retryable ?? false }
}

const verdictOfDeadline = ({ began, lastMovedSeconds }: Seen, process: ProcessResult): Verdict => {
  const last =
    lastMovedSeconds > 0 ? `the last bytes moved at ${lastMovedSeconds.toFixed(1)} s` : 'no bytes moved'
  return {
    outcome: began ? Outcome.OUTCOME_TIMED_OUT : Outcome.OUTCOME_UNREACHABLE,
    reason: began ? `${process.reason}; ${last}` : `the test did not begin: ${process.reason}`,
    retryable: false,
  }
}

/** Of the length of a test by bytes, the share that may be idle: see BYTES_INTERVAL_SECONDS. */
const MAX_IDLE_RATIO = 0.05

const verdictOfFigures = (figures: Figures, plan: IperfPlan, mode: Mode): Verdict => {
  const { sender, receiver, reverseReceiver } = figures
  const bidirectional = plan.direction === Direction.DIRECTION_BIDIRECTIONAL
  if (!receiver || (bidirectional && !reverseReceiver)) {
    const reason = 'iperf3 ended without saying what the receiver counted'
    return { outcome: Outcome.OUTCOME_INVALID, reason, retryable: false }
  }
  const silent =
    receiver.bytes === 0 ? 'receiver' : bidirectional && reverseReceiver?.bytes === 0 ? 'client' : ''
  if (silent) {
    // A 0 would be taken for a slow link. What is known is that nothing came through.
    const sent = sender ? ` of the ${formatBytes(sender.bytes)} that were sent` : ''
    const reason = `the ${silent} counted not one byte${silent === 'receiver' ? sent : ''}`
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
    const reason = `${took}, too short for this version of iperf3 to tell the rate; send more, or for a duration`
    return { outcome: Outcome.OUTCOME_INVALID, reason, retryable: false }
  }
  return { outcome: Outcome.OUTCOME_MEASURED, reason: '', retryable: false, figures }
}

export const verdictOf = (seen: Seen, process: ProcessResult, plan: IperfPlan, mode: Mode): Verdict => {
  const say = (outcome: Outcome, reason: string): Verdict => ({ outcome, reason, retryable: false })
  if (process.notFound) return say(Outcome.OUTCOME_NOT_RUN, process.reason)
  if (process.flooded) return say(Outcome.OUTCOME_INVALID, process.reason)
  if (seen.neverConnected) return say(Outcome.OUTCOME_UNREACHABLE, 'the server did not answer')
  // iperf3 says something, also a summary, when a signal ends it: the deadline comes first.
  if (process.timedOut) return verdictOfDeadline(seen, process)
  if (seen.unknown.length > MAX_UNKNOWN_LINES) {
    return say(Outcome.OUTCOME_INVALID, `it writes what iperf3 never does: ${quote(seen.unknown[0]!)}`)
  }
  const [error] = seen.errors
  if (error) return verdictOfError(error, seen.began)
  if (process.reason) {
    return say(seen.began ? Outcome.OUTCOME_INVALID : Outcome.OUTCOME_NOT_RUN, quote(process.reason))
  }
  if (seen.figures && (seen.figures.receiver || seen.figures.sender))
    return verdictOfFigures(seen.figures, plan, mode)
  const wrote = seen.unknown.map(quote).find((text) => text !== '')
  const reason = `iperf3 ended without a summary${wrote ? `; it wrote: ${wrote}` : ''}`
  return say(Outcome.OUTCOME_INVALID, reason)
}

export const resultOf = ({ outcome, reason, figures }: Verdict, plan: IperfPlan): IperfResult => {
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
    lossRatio: receiver?.lossRatio,
    duration: receiver && toDuration(receiver.seconds),
    omitted: plan.omitSeconds > 0 ? toDuration(plan.omitSeconds) : undefined,
  })
}
