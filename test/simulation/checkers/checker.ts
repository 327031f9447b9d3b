/** What a checker found to be wrong. */
export type Violation = { checker: string; seconds: number; text: string }

/** Looks at a simulation while it runs, and once more after everything has ended. */
export type Checker = {
  name: string
  /** Called each simulated second. Returns what is wrong now. */
  check(): string[]
  /** Called after all work has ended and what was measured had the time to arrive. */
  finish(): string[] | Promise<string[]>
}
