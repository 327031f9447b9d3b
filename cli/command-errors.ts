/** Something wrong with what was typed. `place` is an option, an argument, or a file with its line. */
export type Problem = { place: string; message: string }

/** Wrong usage, with every problem and not only the first. Nothing has been done. */
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

/** One screen: how many, then one line each, aligned. */
export const renderProblems = (problems: readonly Problem[]): string => {
  const width = Math.max(...problems.map(({ place }) => place.length))
  const lines = problems.map(({ place, message }) => `  ${place.padEnd(width)}  ${message}`.trimEnd())
  const head = problems.length === 1 ? 'A problem' : `${problems.length} problems`
  return [`${head}; nothing was done.`, ...lines].join('\n')
}

/** Something that a command could not do, said in one or a few lines for people. */
export class CommandError extends Error {
  readonly exitCode: number

  constructor(message: string, exitCode: number) {
    super(message)
    this.name = 'CommandError'
    this.exitCode = exitCode
  }
}
