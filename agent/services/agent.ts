import os from 'node:os'
import type {
  AgentServiceImplementation,
  DescribeResponse,
  Engine,
  Interface,
  NodeMetadata,
} from '#proto/meshgauge/agent/v1/agent.ts'
import type { Clock } from '../../lib/clock.ts'
import { toTimestamp } from '../../lib/protobuf-time.ts'
import type { DetectedEngines } from '../engines/detected-engines.ts'
import type { HostDescriber } from '../host/describe.ts'
import type { Interfaces } from '../interfaces.ts'
import { limitsOf } from '../limits.ts'
import type { AgentOptions } from '../options.ts'
import type { TrafficLabels } from './iperf/traffic-labels.ts'

export const createAgentService = (
  deps: {
    clock: Clock
    interfaces: Interfaces
    engines: DetectedEngines
    host: HostDescriber
    trafficLabels: Pick<TrafficLabels, 'labels'>
  },
  options: AgentOptions & { version: string },
): AgentServiceImplementation => {
  const startTime = toTimestamp(deps.clock.now())
  return {
    async describe(_request, { signal }): Promise<DescribeResponse> {
      const [engines, metadata, interfaces]: [Engine[], NodeMetadata, Interface[]] = await Promise.all([
        deps.engines.list(signal),
        deps.host.metadata(),
        deps.host.withDrivers(deps.interfaces.list()),
      ])
      return {
        identity: {
          node: options.node,
          hostname: os.hostname(),
          agentVersion: options.version,
          startTime,
          kernel: metadata.kernel,
          operatingSystem: metadata.operatingSystem,
          architecture: metadata.architecture,
          nodeConfigured: options.isNodeConfigured,
        },
        interfaces,
        engines,
        limits: limitsOf(options, deps.interfaces),
        labels: { ...options.labels },
        metadata,
        excludedInterfaces: [...options.excludeInterfaces],
        sustainedLabels: deps.trafficLabels.labels(),
      }
    },
  }
}
