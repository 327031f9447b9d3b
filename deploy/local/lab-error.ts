/** An error that the user can correct: one line per reason. Any other error that a lab throws is a bug. */
export class LabError extends Error {
  readonly problems: readonly string[]

  constructor(problems: readonly string[], options?: ErrorOptions) {
    super(problems.join('\n'), options)
    this.name = 'LabError'
    this.problems = problems
  }
}
