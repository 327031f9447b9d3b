/**
 * The names of the engines of each test; the first is the default. Each engine is a folder in agent/engines. Collector and
 * CLI accept exactly these names.
 */
export const ENGINES = {
  ping: ['fping', 'ping', 'tcp'],
  iperf: ['iperf3', 'netperf'],
} as const

export type PingEngineName = (typeof ENGINES.ping)[number]
export type IperfEngineName = (typeof ENGINES.iperf)[number]
