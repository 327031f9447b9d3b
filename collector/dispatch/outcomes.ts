import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'

type WithOutcome = { readonly outcome: Outcome }

/** Whether a pair has values that can be trusted. */
export const isMeasured = ({ outcome }: WithOutcome): boolean => outcome === Outcome.OUTCOME_MEASURED

/** Whether the network or the peer failed. INVALID and NOT_RUN are no evidence about either. */
export const isFailed = ({ outcome }: WithOutcome): boolean =>
  outcome === Outcome.OUTCOME_UNREACHABLE ||
  outcome === Outcome.OUTCOME_REFUSED ||
  outcome === Outcome.OUTCOME_TIMED_OUT

/** Whether a pair says something about the network or the peer: a value or a failure. */
export const isEvidence = (result: WithOutcome): boolean => isMeasured(result) || isFailed(result)
