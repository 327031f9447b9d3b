import type { DescribeResponse } from '#proto/meshgauge/agent/v1/agent.ts'
import { NodeDescription } from '#proto/meshgauge/collector/v1/fleet.ts'
import type { Clock } from '../../lib/clock.ts'
import { ClientError, Status } from '../../lib/errors.ts'
import type { AgentConnection } from './agents.ts'

const DEADLINE_MS = 5_000
/** Pause before a retry on a broken connection. After a suspended collector resumes, all connections are broken. */
const RETRY_SECONDS = 0.5

export const isUnavailable = (error: unknown): boolean =>
  error instanceof ClientError && error.code === Status.UNAVAILABLE

const descriptionOf = ({ identity, ...described }: DescribeResponse): NodeDescription =>
  NodeDescription.fromPartial({
    node: identity?.node ?? '',
    hostname: identity?.hostname ?? '',
    agentVersion: identity?.agentVersion ?? '',
    agentStartTime: identity?.startTime,
    interfaces: described.interfaces,
    engines: described.engines,
    limits: described.limits,
    labels: described.labels,
    metadata: described.metadata,
  })

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
