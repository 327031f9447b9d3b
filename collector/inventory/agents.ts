import { type Channel, connectivityState } from '@grpc/grpc-js'
import { AgentServiceDefinition } from '#proto/meshgauge/agent/v1/agent.ts'
import { CheckServiceDefinition } from '#proto/meshgauge/agent/v1/check.ts'
import { IperfServiceDefinition } from '#proto/meshgauge/agent/v1/iperf.ts'
import { PingServiceDefinition } from '#proto/meshgauge/agent/v1/ping.ts'
import type { CallObserver } from '../../lib/call-observer.ts'
import { createServiceClient, openChannel } from '../../lib/calling.ts'
import type { Security } from '../../lib/credentials.ts'

/** Returns the services of one agent, over one long-lived channel. */
export const connectAgent = (address: string, security: Security, calls?: CallObserver) => {
  const channel: Channel = openChannel(address, security)
  return {
    agent: createServiceClient(AgentServiceDefinition, channel, calls),
    check: createServiceClient(CheckServiceDefinition, channel, calls),
    ping: createServiceClient(PingServiceDefinition, channel, calls),
    iperf: createServiceClient(IperfServiceDefinition, channel, calls),
    /** Returns the state of the channel: idle, connecting, ready, transient_failure or shutdown. */
    state: () => connectivityState[channel.getConnectivityState(false)]!.toLowerCase(),
    close: () => channel.close(),
  }
}

export type AgentConnection = ReturnType<typeof connectAgent>
