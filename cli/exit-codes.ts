/** The exit codes of every command. Scripts and job prologs use them as a gate. */
export const EXIT = {
  /** Nothing is wrong, and enough was observed to say so. */
  healthy: 0,
  /** Something is wrong: a verdict, a failed check, or a missed expectation. */
  verdict: 1,
  /** Wrong usage; nothing was done. */
  usage: 2,
  /** Too little could be measured to decide. */
  notMeasured: 3,
  /** Interrupted with Ctrl-C. */
  interrupted: 130,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** The exit code of a judgement of the collector. Without one, such as in an interrupted run, nothing is known. */
export const judgedExitCode = (judgement: { readonly exitCode: number } | undefined): ExitCode =>
  Object.values(EXIT).find((code) => code === judgement?.exitCode) ?? EXIT.notMeasured

export const EXIT_CODES_HELP = `Exit codes:
  0    healthy: nothing is wrong, and enough was observed to say so
  1    verdict: something is wrong, a check failed, or an expectation was missed
  2    wrong usage: every problem is listed, nothing was done
  3    unclear: no collector, or too little was observed to decide
  130  interrupted with Ctrl-C`
