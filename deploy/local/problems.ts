/** What the person who asked can put right: every reason at once, a line each. Anything else thrown is a bug. */
export class LabError extends Error {
  readonly problems: readonly string[]

  constructor(problems: readonly string[], options?: ErrorOptions) {
    super(problems.join('\n'), options)
    this.name = 'LabError'
    this.problems = problems
  }
}
