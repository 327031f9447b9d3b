import type { Channel } from '@grpc/grpc-js'
import { AgentServiceDefinition } from '#proto/meshgauge/agent/v1/agent.ts'
import { CheckServiceDefinition } from '#proto/meshgauge/agent/v1/check.ts'
import { IperfServiceDefinition } from '#proto/meshgauge/agent/v1/iperf.ts'
import { PingServiceDefinition } from '#proto/meshgauge/agent/v1/ping.ts'
import { createServiceClient, openChannel } from '../../lib/calling.ts'
import type { Security } from '../../lib/credentials.ts'

/** The services of one agent over its one long-lived channel. */
export const connectAgent = (address: string, security: Security) => {
  const channel: Channel = openChannel(address, security)
  return {
    agent: createServiceClient(AgentServiceDefinition, channel),
    check: createServiceClient(CheckServiceDefinition, channel),
    ping: createServiceClient(PingServiceDefinition, channel),
    iperf: createServiceClient(IperfServiceDefinition, channel),
    close: () => channel.close(),
  }
}

export type AgentConnection = ReturnType<typeof connectAgent>
