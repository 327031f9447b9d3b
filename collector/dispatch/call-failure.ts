import { isAbortError } from 'abort-controller-x'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { ClientError, describeCallError, fromClientError, Status } from '../../lib/errors.ts'

/** What a call that failed means for the pairs it was to measure. */
export type CallFailure = {
  outcome: Outcome
  reason: string /** The agent is in another test; try again later. */
  busy: boolean
}

/**
 * @param begun whether the measurement was under way: then a lost agent leaves a result that nobody may trust,
 * otherwise one that was never begun
 */
export const callFailureOf = (error: unknown, node: string, begun: boolean): CallFailure => {
  const trouble = (outcome: Outcome, reason: string, busy = false): CallFailure => ({ outcome, reason, busy })
  if (isAbortError(error))
    return trouble(Outcome.OUTCOME_NOT_RUN, begun ? 'cancelled in the middle' : 'cancelled')
  const operating = fromClientError(error)
  if (operating?.reason === 'INTERFACE_DOWN') {
    return trouble(Outcome.OUTCOME_UNREACHABLE, `${node}: ${operating.message}`)
  }
  if (operating && operating.reason !== 'AGENT_DRAINING') {
    return trouble(
      Outcome.OUTCOME_NOT_RUN,
      `${node}: ${operating.message}`,
      operating.reason === 'AGENT_BUSY',
    )
  }
  if (!(error instanceof ClientError)) throw error
  if (error.code === Status.DEADLINE_EXCEEDED) {
    return trouble(
      begun ? Outcome.OUTCOME_TIMED_OUT : Outcome.OUTCOME_NOT_RUN,
      `${node}: the agent did not finish in time`,
    )
  }
  const text = describeCallError(error)
  if (error.code === Status.UNAVAILABLE || error.code === Status.CANCELLED) {
    return begun
      ? trouble(Outcome.OUTCOME_INVALID, `the agent of ${node} was lost in the middle: ${text}`)
      : trouble(Outcome.OUTCOME_NOT_RUN, `the agent of ${node} does not answer: ${text}`)
  }
  return trouble(begun ? Outcome.OUTCOME_INVALID : Outcome.OUTCOME_NOT_RUN, `${node}: ${text}`)
}
