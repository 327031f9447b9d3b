import type { Clock } from '../../../lib/clock.ts'
import { ClientError, describeCallError, Status } from '../../../lib/errors.ts'
import type { Fleet } from '../../inventory/fleet.ts'

/** Agents end their programs within 2 s; 49 of them on one machine of 2 cores have taken 16 s for 9,408 programs. */
const GONE_SECONDS = 30
const LOOK_SECONDS = 0.2
const DESCRIBE_DEADLINE_MS = 5_000

/** Waits until a node says that nothing of a traffic is left on it; gives why that could not be learnt, or nothing. */
export const waitForStop = async (
  { clock, fleet }: { clock: Clock; fleet: Pick<Fleet, 'connection'> },
  node: string,
  label: string,
): Promise<string[]> => {
  const until = clock.monotonicSeconds() + GONE_SECONDS
  let problem = `${node} has programs left that do not end`
  while (clock.monotonicSeconds() < until) {
    try {
      const call = { deadline: DESCRIBE_DEADLINE_MS }
      const { sustainedLabels } = await fleet.connection(node).agent.describe({}, call)
      if (!sustainedLabels.includes(label)) return []
    } catch (error) {
      problem = `${node} cannot be asked whether its programs have ended (${describeCallError(error)})`
      // One that is busy ending hundreds of programs answers late; one that does not answer at all will not.
      const isBusy = error instanceof ClientError && error.code === Status.DEADLINE_EXCEEDED
      if (!isBusy) return [problem]
    }
    await clock.sleep(LOOK_SECONDS)
  }
  return [problem]
}
