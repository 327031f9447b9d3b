/** The errors that a command reports to the user. */

/** A problem with the input. `place` is an option, an argument, or a file with its line. */
export type Problem = { place: string; message: string }

/** Wrong usage, with every problem. Thrown before the command does anything. */
export class UsageError extends Error {
  readonly problems: readonly Problem[]

  constructor(problems: readonly Problem[]) {
    super(problems.map(({ place, message }) => `${place} ${message}`).join('; '))
    this.name = 'UsageError'
    this.problems = problems
  }
}

export const throwIfProblems = (problems: readonly Problem[]): void => {
  if (problems.length > 0) throw new UsageError(problems)
}

/** The number of problems, then one aligned line for each. */
export const renderProblems = (problems: readonly Problem[]): string => {
  const width = Math.max(...problems.map(({ place }) => place.length))
  const lines = problems.map(({ place, message }) => `  ${place.padEnd(width)}  ${message}`.trimEnd())
  const head = problems.length === 1 ? '1 problem' : `${problems.length} problems`
  return [`${head}; nothing was done.`, ...lines].join('\n')
}

/** A command failed. The message is for the user, in one or a few lines. */
export class CommandError extends Error {
  readonly exitCode: number

  constructor(message: string, exitCode: number) {
    super(message)
    this.name = 'CommandError'
    this.exitCode = exitCode
  }
}
