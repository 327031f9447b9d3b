import { isAbortError } from 'abort-controller-x'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { ClientError, describeCallError, fromClientError, Status } from '../../lib/errors.ts'
import { CPU, type ProgramFault } from './pair-result.ts'

/** The outcome of the pairs that a failed call should have measured. */
export type CallFailure = {
  outcome: Outcome
  reason: string
  /** The agent runs another exclusive test; a retry may succeed. */
  busy: boolean
  /** The agent's program hangs or crashes. */
  programFault?: ProgramFault
}

/** Returns the fault with the node that reports it. */
export const faultOfNode = (
  node: string,
  fault: Omit<ProgramFault, 'node'> | undefined,
): ProgramFault | undefined => fault && { node, program: fault.program, problem: fault.problem }

export const faultReason = ({ node, program, problem }: ProgramFault): string =>
  node === '' ? `${program} ${problem}` : `${program} of ${node} ${problem}`

/** A host without processor time is no evidence about the network, as a program that fails. */
export const faultOfShortage = (node: string, shortage: string): ProgramFault | undefined =>
  shortage === '' ? undefined : { node, program: CPU, problem: shortage }

const faultOfError = (node: string, { program, problem }: Readonly<Record<string, string>>) =>
  program && problem ? { node, program, problem } : undefined

/**
 * Returns the outcome for the error of a call. Throws the error itself when it is a bug.
 * @param isStarted whether the measurement had started: then a lost agent or a cancelled run makes the result
 * INVALID, otherwise NOT_RUN
 */
export const callFailureOf = (error: unknown, node: string, isStarted: boolean): CallFailure => {
  const failure = (outcome: Outcome, reason: string, busy = false): CallFailure => ({ outcome, reason, busy })
  if (isAbortError(error)) {
    return isStarted
      ? failure(Outcome.OUTCOME_INVALID, 'cancelled during the test')
      : failure(Outcome.OUTCOME_NOT_RUN, 'cancelled')
  }
  const operating = fromClientError(error)
  if (operating?.reason === 'INTERFACE_DOWN') {
    return failure(Outcome.OUTCOME_UNREACHABLE, `${node}: ${operating.message}`)
  }
  const programFault = operating && faultOfError(node, operating.metadata)
  if (programFault) return { ...failure(Outcome.OUTCOME_INVALID, faultReason(programFault)), programFault }
  if (operating && operating.reason !== 'AGENT_DRAINING') {
    return failure(
      Outcome.OUTCOME_NOT_RUN,
      `${node}: ${operating.message}`,
      operating.reason === 'AGENT_BUSY',
    )
  }
  if (!(error instanceof ClientError)) throw error
  if (error.code === Status.DEADLINE_EXCEEDED) {
    return failure(
      isStarted ? Outcome.OUTCOME_TIMED_OUT : Outcome.OUTCOME_NOT_RUN,
      `${node}: the agent did not finish in time`,
    )
  }
  const text = describeCallError(error)
  if (error.code === Status.UNAVAILABLE || error.code === Status.CANCELLED) {
    return isStarted
      ? failure(Outcome.OUTCOME_INVALID, `the agent of ${node} was lost during the test: ${text}`)
      : failure(Outcome.OUTCOME_NOT_RUN, `the agent of ${node} does not answer: ${text}`)
  }
  return failure(isStarted ? Outcome.OUTCOME_INVALID : Outcome.OUTCOME_NOT_RUN, `${node}: ${text}`)
}
