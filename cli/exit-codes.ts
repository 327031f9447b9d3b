/** What the command answers to the shell, so that it can be a gate in a script. */
export const EXIT = {
  /** Everything was measured and nobody is to blame. */
  healthy: 0,
  /** A culprit was named, a check fails, or an expectation was missed. */
  verdict: 1,
  /** Wrong usage; nothing was done. */
  usage: 2,
  /** It could not be measured, or not all of it. */
  notMeasured: 3,
  /** Ctrl-C. */
  interrupted: 130,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

export const EXIT_CODES_HELP = `Exit codes:
  0    healthy: all was measured, nobody is to blame
  1    a verdict: a culprit was named, a check fails, or an expectation was missed
  2    wrong usage: every problem is listed, nothing was done
  3    could not measure: no collector, lost nodes, or pairs without a value
  130  interrupted with Ctrl-C`
