/** Faults of programs: they hang, crash, or print what cannot be true. They are no evidence about the network. */

import type { ProcessResult } from '../processes.ts'

/** States that a program of this node failed. `problem` is a verb with details, such as `hangs: it printed no line`. */
export type ProgramFault = { program: string; problem: string }

/** Why a program that is silent or ended is itself at fault; a verb with details. Undefined when it is not. */
export type Fault = string | undefined

/** Exit codes of a shell and of the dynamic linker for a program that cannot be executed. */
const NOT_STARTED = [126, 127]

/** The fault of a program that ended without a result and without a message about the network. */
export const faultOfEnd = ({ signal, flooded, aborted, exitCode, reason }: ProcessResult): Fault => {
  if (aborted) return undefined
  if (flooded) return `prints what cannot be true: ${reason}`
  if (signal !== '') return `crashes: it was ended by ${signal}`
  return exitCode === undefined || NOT_STARTED.includes(exitCode) ? `cannot be started: ${reason}` : undefined
}

/** What states in a result that the program failed. */
export const programFault = (program: string, fault: Fault): ProgramFault | undefined =>
  fault === undefined ? undefined : { program, problem: fault }
