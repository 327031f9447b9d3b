import type { Clock } from '../../../lib/clock.ts'
import { ClientError, describeCallError, Status } from '../../../lib/errors.ts'
import type { Fleet } from '../../inventory/fleet.ts'

/** An agent ends its programs within 2 s. 49 agents on one machine of 2 cores needed 16 s for 9,408 programs. */
const STOP_SECONDS = 30
const LOOK_SECONDS = 0.2
const DESCRIBE_DEADLINE_MS = 5_000

/** Waits until the agent of a node reports that no program of a traffic is left. Returns the problem, or nothing. */
export const waitForStop = async (
  { clock, fleet }: { clock: Clock; fleet: Pick<Fleet, 'connection'> },
  node: string,
  label: string,
): Promise<string[]> => {
  const until = clock.monotonicSeconds() + STOP_SECONDS
  let problem = `programs on ${node} do not end`
  while (clock.monotonicSeconds() < until) {
    try {
      const call = { deadline: DESCRIBE_DEADLINE_MS }
      const { sustainedLabels } = await fleet.connection(node).agent.describe({}, call)
      if (!sustainedLabels.includes(label)) return []
    } catch (error) {
      problem = `it is not known whether the programs on ${node} have ended (${describeCallError(error)})`
      // An agent that is ending hundreds of programs answers late. Other errors mean that it does not answer at all.
      const isBusy = error instanceof ClientError && error.code === Status.DEADLINE_EXCEEDED
      if (!isBusy) return [problem]
    }
    await clock.sleep(LOOK_SECONDS)
  }
  return [problem]
}
