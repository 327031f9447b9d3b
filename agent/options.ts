import type { PortRange } from '#proto/meshgauge/agent/v1/types.ts'
import type { Security } from '../lib/credentials.ts'
import { EXCLUDED_INTERFACES } from './devices.ts'

/** All options of an agent. Durations in seconds, rates in bits per second. */
export type AgentOptions = {
  /** The node's name in the fleet. */
  node: string
  /** Whether the operator has chosen the name. Otherwise it is the host name. */
  isNodeConfigured: boolean
  /** Address to serve on, `host:port`; port 0 picks a free one. */
  listen: string
  security: Security
  /** Address to serve /metrics, /healthz and /readyz on, `host:port`; absent serves none. */
  http?: string | undefined
  /** Interfaces that tests may use, each with one address, or all its addresses when absent. Empty: all but loopback. */
  interfaces: readonly { name: string; address?: string | undefined }[]
  /** Names with `*` of interfaces that are not measured unless `interfaces` names them. */
  excludeInterfaces: readonly string[]
  /** Speeds in bit/s by interface, instead of those that the drivers report; 0 is unknown. */
  speeds: Readonly<Record<string, number>>
  /** Networks (CIDR) that may be measured; empty means the networks of the interfaces. */
  allowPeers: readonly string[]
  /** Ports that iperf servers are leased from. */
  ports: PortRange
  /** Ports that engine tcp may connect to, besides the agent's own. */
  tcpPorts?: readonly number[] | undefined
  labels: Readonly<Record<string, string>>
  /** Longest test, including its warm-up; also the longest ping, and the end of every program of a test. */
  maxDurationSeconds: number
  /** Maximum bitrate of a flow in either direction, and of all probes together; 0 is no limit. */
  maxBitsPerSecond: number
  /** Paths by name: of programs that are not on PATH (engines, nvidia-smi, ethtool), and of pcp.conf. */
  programs: Readonly<Record<string, string>>
  logLevel: string
}

export const AGENT_DEFAULTS = {
  excludeInterfaces: EXCLUDED_INTERFACES,
  listen: '127.0.0.1:50051',
  ports: { first: 5201, last: 5999 },
  maxDurationSeconds: 3600,
  maxBitsPerSecond: 0,
  logLevel: 'info',
} as const satisfies Partial<AgentOptions>

/** The environment variable that passes AgentOptions to agent/serve.main.ts, as JSON. */
export const OPTIONS_VARIABLE = 'MESHGAUGE_AGENT_OPTIONS'
