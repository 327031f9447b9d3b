import type { HostSource } from '#proto/meshgauge/agent/v1/host.ts'
import type { IperfOptions } from '#proto/meshgauge/agent/v1/iperf.ts'
import type { PortRange } from '#proto/meshgauge/agent/v1/types.ts'
import type { Expectation } from '#proto/meshgauge/collector/v1/result.ts'
import type { Caps, Topology } from '#proto/meshgauge/collector/v1/run.ts'

/** A ping test with all defaults filled in. */
export type PingTest = {
  kind: 'ping'
  engine: string
  /** Number of probes for each pair. */
  count: number
  intervalSeconds: number
  timeoutSeconds: number
  /** Payload. Undefined for engine tcp, which sends none. */
  sizeBytes: number | undefined
  dontFragment: boolean
  ttl: number | undefined
  tos: number | undefined
}

/** An iperf test with all defaults filled in. */
export type IperfTest = Omit<IperfOptions, 'duration' | 'omit' | 'interval' | 'parallelCount'> & {
  kind: 'iperf'
  engine: string
  /** Undefined when `bytes` ends the test. */
  durationSeconds: number | undefined
  /** Warm-up before the measurement. */
  omitSeconds: number | undefined
  intervalSeconds: number
  parallelCount: number
  /** Ports of the servers. Undefined selects the whole range of each agent. */
  ports: PortRange | undefined
}

export type RunTest = PingTest | IperfTest

export type HostSampling = { intervalSeconds: number; source: HostSource }

/** What a run measures, with all defaults filled in that do not depend on the fleet. */
export type RunSpec = {
  label: string
  topology: Topology
  test: RunTest
  /** Empty selects all interfaces that tests use. */
  interfaces: string[]
  /** Pings have no caps: all pairs run at the same time. */
  caps: Caps | undefined
  expectations: Expectation[]
  hostSampling: HostSampling | undefined
  /** Name of the profile that the run belongs to. Empty when it belongs to none. */
  profile: string
  /** Name of the schedule that started the run. Empty for a run that was started by hand. */
  schedule: string
  allowTraffic: boolean
}

/** What a request asks for. It may lack the test: the review of the run reports that together with all other problems. */
export type RequestedRunSpec = Omit<RunSpec, 'test'> & { test: RunTest | undefined }

/**
 * Returns a spec that was reviewed before, such as a stored one.
 * @throws Error when it has no test
 */
export const reviewedRunSpec = ({ test, ...spec }: RequestedRunSpec): RunSpec => {
  if (!test) throw new Error('a run spec has no test')
  return { ...spec, test }
}
