import type { DescribeResponse } from '#proto/meshgauge/agent/v1/agent.ts'
import type { Clock } from '../../lib/clock.ts'
import { ClientError, Status } from '../../lib/errors.ts'
import type { AgentConnection } from './agents.ts'

const DEADLINE_MS = 5_000
/** A connection that broke is no silent agent yet: after this collector stood still for a while, all have broken. */
const AGAIN_SECONDS = 0.5

export const isUnavailable = (error: unknown): boolean =>
  error instanceof ClientError && error.code === Status.UNAVAILABLE

/** Asks an agent how it is; one whose connection is broken once more, if that is wanted. @throws ClientError */
export const describe = async (
  clock: Clock,
  { agent }: Pick<AgentConnection, 'agent'>,
  isTwice: boolean,
  signal: AbortSignal,
): Promise<DescribeResponse> => {
  const call = () => agent.describe({}, { deadline: DEADLINE_MS, signal })
  try {
    return await call()
  } catch (error) {
    if (!isTwice || !isUnavailable(error)) throw error
    await clock.sleep(AGAIN_SECONDS, signal)
    return call()
  }
}
