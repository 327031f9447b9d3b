import type { IperfOptions } from '#proto/meshgauge/agent/v1/iperf.ts'
import type { PortRange } from '#proto/meshgauge/agent/v1/types.ts'
import type { Topology } from '#proto/meshgauge/collector/v1/run.ts'

/** Options of iperf3 for each flow, with all defaults filled in. */
export type TrafficOptions = Omit<IperfOptions, 'duration' | 'omit' | 'interval' | 'parallelCount'> & {
  /** Undefined for traffic that runs until it is stopped. */
  durationSeconds: number | undefined
  omitSeconds: number | undefined
  parallelCount: number
}

/** The flows of sustained traffic, with all defaults filled in. */
export type TrafficSpec = {
  label: string
  topology: Topology
  /** Empty selects all interfaces that tests use. */
  interfaces: string[]
  options: TrafficOptions
  /** Ports of the servers. Undefined selects the whole range of each agent. */
  ports: PortRange | undefined
  /** Time between two samples of a flow. */
  intervalSeconds: number
}
