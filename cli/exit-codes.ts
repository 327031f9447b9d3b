/** The exit codes of every command. Scripts and job prologs use them as a gate. */
export const EXIT = {
  /** Everything was measured and nothing is wrong. */
  healthy: 0,
  /** A culprit was named, a check fails, or an expectation was missed. */
  verdict: 1,
  /** Wrong usage; nothing was done. */
  usage: 2,
  /** Something could not be measured. */
  notMeasured: 3,
  /** Interrupted with Ctrl-C. */
  interrupted: 130,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

export const EXIT_CODES_HELP = `Exit codes:
  0    healthy: everything was measured and nothing is wrong
  1    verdict: a culprit was named, a check failed, or an expectation was missed
  2    wrong usage: every problem is listed, nothing was done
  3    not measured: no collector, lost nodes, or pairs without a value
  130  interrupted with Ctrl-C`
