import { readFileSync } from 'node:fs'
import os from 'node:os'
import type { AgentServiceImplementation, DescribeResponse, Engine } from '#proto/meshgauge/agent/v1/agent.ts'
import type { Clock } from '../../lib/clock.ts'
import { toTimestamp } from '../../lib/protobuf-time.ts'
import type { Detected } from '../engines/detected.ts'
import type { Interfaces } from '../interfaces.ts'
import { limitsOf } from '../limits.ts'
import type { AgentOptions } from '../options.ts'

/** PRETTY_NAME of os-release(5). */
const operatingSystem = (): string => {
  try {
    const text = readFileSync('/etc/os-release', 'utf8')
    return /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(text)?.[1] ?? os.type()
  } catch {
    return os.type()
  }
}

export const createAgentService = (
  deps: { clock: Clock; interfaces: Interfaces; engines: Detected },
  options: AgentOptions & { version: string },
): AgentServiceImplementation => {
  const startTime = toTimestamp(deps.clock.now())
  return {
    async describe(_request, { signal }): Promise<DescribeResponse> {
      const engines: Engine[] = await deps.engines.list(signal)
      return {
        identity: {
          node: options.node,
          hostname: os.hostname(),
          agentVersion: options.version,
          startTime,
          kernel: os.release(),
          operatingSystem: operatingSystem(),
          architecture: os.machine(),
        },
        interfaces: deps.interfaces.list(),
        engines,
        limits: limitsOf(options, deps.interfaces),
        labels: { ...options.labels },
        metadata: undefined,
      }
    },
  }
}
