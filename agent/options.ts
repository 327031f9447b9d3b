import type { PortRange } from '#proto/meshgauge/agent/v1/types.ts'
import type { Security } from '../lib/credentials.ts'

/** Everything an agent can be told. Durations in seconds, rates in bits per second. */
export type AgentOptions = {
  /** The node's name in the fleet. */
  node: string
  /** Where to serve, `host:port`; port 0 takes a free one. */
  listen: string
  security: Security
  /** Interfaces that tests may use, each with the one address that it is known by, or with all when absent. Empty: all that are not loopback. */
  interfaces: readonly { name: string; address?: string | undefined }[]
  /** Networks (CIDR) that may be measured; empty means those that the interfaces are in. */
  allowPeers: readonly string[]
  /** Ports that iperf servers are leased from. */
  ports: PortRange
  labels: Readonly<Record<string, string>>
  maxDurationSeconds: number
  /** 0 is no ceiling. */
  maxBitsPerSecond: number
  /** Paths of programs by their names (engines, nvidia-smi, ethtool), where they are not on PATH, and of pcp.conf. */
  programs: Readonly<Record<string, string>>
  logLevel: string
}

export const AGENT_DEFAULTS = {
  listen: '127.0.0.1:50051',
  ports: { first: 5201, last: 5999 },
  maxDurationSeconds: 3600,
  maxBitsPerSecond: 0,
  logLevel: 'info',
} as const satisfies Partial<AgentOptions>

/** The environment variable that hands AgentOptions, as JSON, to agent/serve.main.ts. */
export const OPTIONS_VARIABLE = 'MESHGAUGE_AGENT_OPTIONS'
