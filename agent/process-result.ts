/** The end of a program, as values and as a message. */

export type ProcessResult = {
  /** Undefined when a signal ended it or it never ran. */
  exitCode: number | undefined
  /** Such as SIGTERM; empty when it exited. */
  signal: string
  /** The last 4 KiB of its standard error. */
  stderrTail: string
  /** The deadline passed. */
  timedOut: boolean
  /** The caller's signal was aborted, or the caller ended it. */
  aborted: boolean
  /** It wrote more than its limits allow. */
  flooded: boolean
  /** The program does not exist or is not executable. */
  notFound: boolean
  /** Why it did not exit with code 0; empty when it did. */
  reason: string
}

/** Why the agent ended it; undefined when it exited. */
export type Cause = 'aborted' | 'timedOut' | 'flooded' | 'stuck'

type Ended = {
  file: string
  cause: Cause | undefined
  /** The result of execa; undefined when the program is stuck. */
  ended: { exitCode?: number | undefined; signal?: string | undefined; code?: string | undefined } | undefined
  deadlineSeconds: number | undefined
  floodReason: string
  stderrTail: string
}

/** The last line of iperf3, which follows the reason. */
const NO_REASON = /^\s*$|^\S+: exiting$/

const reasonOf = ({ file, cause, ended, deadlineSeconds, floodReason, stderrTail }: Ended): string => {
  if (cause === 'stuck' || !ended) return `${file} cannot be ended: it is blocked in the kernel`
  if (cause === 'flooded') return `${file} was ended: ${floodReason}`
  if (cause === 'timedOut') return `${file} did not end within ${deadlineSeconds} s`
  if (cause === 'aborted') return `${file} was ended: its caller cancelled`
  if (ended.code === 'ENOENT') return `${file} is not installed`
  if (ended.code) return `${file} could not be started: ${ended.code}`
  if (ended.signal) return `${file} was ended by ${ended.signal}`
  const lastLine = stderrTail.split('\n').findLast((line) => !NO_REASON.test(line)) ?? ''
  return ended.exitCode === 0
    ? ''
    : `${file} ended with exit code ${ended.exitCode}${lastLine && `: ${lastLine}`}`
}

export const resultOf = (all: Ended): ProcessResult => ({
  exitCode: all.ended?.exitCode,
  signal: all.ended?.signal ?? '',
  stderrTail: all.stderrTail,
  timedOut: all.cause === 'timedOut',
  aborted: all.cause === 'aborted',
  flooded: all.cause === 'flooded',
  notFound: all.ended?.code === 'ENOENT' || all.ended?.code === 'EACCES',
  reason: reasonOf(all),
})
