/** Engine tcp has no program, so its arguments are those of Node's connect(). */

import type { TcpNetConnectOpts } from 'node:net'
import type { PingRequest } from '#proto/meshgauge/agent/v1/ping.ts'
import type { Violation } from '../../../lib/errors.ts'
import type { PingSource } from '../engine.ts'
import { sourceFor, validatePing } from '../ping-request.ts'

/** A connection has no payload, so size_bytes has no effect. Each target uses one socket at a time. */
const BOUNDS = {
  minIntervalSeconds: 0.01,
  minSizeBytes: 0,
  maxSizeBytes: 65535,
  maxTargets: 1000,
  usesPorts: true,
}

const CANNOT: [field: 'ttl' | 'tos', description: string][] = [
  ['ttl', 'cannot be set by engine tcp'],
  ['tos', 'cannot be set by engine tcp'],
]

/** @param ports those that the agent declares */
export const validateTcp = (request: PingRequest, ports: readonly number[]): Violation[] => [
  ...validatePing(request, BOUNDS),
  ...request.targets.flatMap(({ port }, index) =>
    port === undefined || ports.includes(port)
      ? []
      : [
          {
            field: `targets[${index}].port`,
            description: `${port} is not a port that this agent declares (${ports.join(', ')}); start it with --tcp-ports to add one`,
          },
        ],
  ),
  ...CANNOT.filter(([field]) => request[field] !== undefined).map(([field, description]) => ({
    field,
    description,
  })),
  ...(request.dontFragment ? [{ field: 'dont_fragment', description: 'cannot be set by engine tcp' }] : []),
]

export const connectOptions = (
  { address, port }: PingRequest['targets'][number],
  source: PingSource,
  agentPort: number,
): TcpNetConnectOpts => {
  const localAddress = sourceFor(address, source)
  return { host: address, port: port ?? agentPort, ...(localAddress ? { localAddress } : {}) }
}
