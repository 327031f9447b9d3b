/** Converts judgements from and to their messages: those of the API and of stored records. */

import {
  type Judgement as JudgementMessage,
  JudgementState as JudgementStateMessage,
} from '#proto/meshgauge/collector/v1/result.ts'
import { JUDGEMENT_STATES, type Judgement, type JudgementState } from './judgement.ts'

const STATES: Record<JudgementState, JudgementStateMessage> = {
  healthy: JudgementStateMessage.JUDGEMENT_STATE_HEALTHY,
  bad: JudgementStateMessage.JUDGEMENT_STATE_BAD,
  unclear: JudgementStateMessage.JUDGEMENT_STATE_UNCLEAR,
}

/** Maximum number of unobserved interfaces in a message. */
const MAX_UNOBSERVED = 100

/** @throws Error for a state that this version does not know */
const stateOf = (message: JudgementStateMessage): JudgementState => {
  const state = JUDGEMENT_STATES.find((each) => STATES[each] === message)
  if (!state) throw new Error(`unknown state of a judgement ${message}`)
  return state
}

/** @throws Error for a state that this version does not know */
export const judgementOf = ({ coverage, ...message }: JudgementMessage): Judgement => ({
  ...message,
  state: stateOf(message.state),
  coverage: {
    requestedCount: coverage?.requestedCount ?? 0,
    observedCount: coverage?.observedCount ?? 0,
    unobserved: coverage?.unobserved ?? [],
  },
})

export const judgementMessage = ({ coverage, ...judgement }: Judgement): JudgementMessage => ({
  ...judgement,
  state: STATES[judgement.state],
  notes: [...judgement.notes],
  coverage: {
    requestedCount: coverage.requestedCount,
    observedCount: coverage.observedCount,
    unobserved: coverage.unobserved.slice(0, MAX_UNOBSERVED),
    unobservedCount: coverage.unobserved.length,
  },
})
