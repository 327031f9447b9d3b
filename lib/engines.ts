/**
 * The engines of each test by name, the default first. Each of them is a folder in agent/engines. Collector and command
 * line accept exactly these names.
 */
export const ENGINES = {
  ping: ['fping', 'ping', 'tcp'],
  iperf: ['iperf3', 'netperf'],
} as const

export type PingEngineName = (typeof ENGINES.ping)[number]
export type IperfEngineName = (typeof ENGINES.iperf)[number]
