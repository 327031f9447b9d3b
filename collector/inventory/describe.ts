import type { Clock } from '../../lib/clock.ts'
import { ClientError, Status } from '../../lib/errors.ts'
import type { AgentConnection } from './agents.ts'
import type { NodeDescription } from './node.ts'
import { descriptionOf } from './node-message.ts'

const DEADLINE_MS = 5_000
/** Pause before a retry on a broken connection. After a suspended collector resumes, all connections are broken. */
const RETRY_SECONDS = 0.5

export const isUnavailable = (error: unknown): boolean =>
  error instanceof ClientError && error.code === Status.UNAVAILABLE

/**
 * Calls Describe.
 * @param retries whether a call that fails as UNAVAILABLE is repeated once
 * @throws ClientError
 */
export const describe = async (
  clock: Clock,
  { agent }: Pick<AgentConnection, 'agent'>,
  retries: boolean,
  signal: AbortSignal,
): Promise<NodeDescription> => {
  const call = async () => descriptionOf(await agent.describe({}, { deadline: DEADLINE_MS, signal }))
  try {
    return await call()
  } catch (error) {
    if (!retries || !isUnavailable(error)) throw error
    await clock.sleep(RETRY_SECONDS, signal)
    return call()
  }
}
