import { HostSamples } from '#proto/meshgauge/agent/v1/host.ts'
import type { Violation } from '../../lib/errors.ts'
import type { RequestedRunSpec } from '../plan/run-spec.ts'

/** The agents' lower limit (agent/host/sampling-session.ts). */
const MIN_INTERVAL_SECONDS = 0.1

/** Returns what every agent would refuse, so that a run is refused once and before it starts. */
export const checkHostSampling = ({ hostSampling, test }: RequestedRunSpec): Violation[] => {
  if (!hostSampling) return []
  const violations: Violation[] = []
  if (test?.kind === 'ping') {
    violations.push({ field: 'host_sampling', description: 'hosts are sampled while an iperf measures' })
  }
  const seconds = hostSampling.intervalSeconds
  if (seconds < MIN_INTERVAL_SECONDS) {
    const description = `${seconds} s is too short; at least ${MIN_INTERVAL_SECONDS} s`
    violations.push({ field: 'host_sampling.interval', description })
  }
  return violations
}

/** Collects what one host reports in several messages. */
export class HostSampleCollector {
  #all: HostSamples | undefined

  add(part: HostSamples): void {
    const { samples, ...before } = this.#all ?? HostSamples.fromPartial({})
    this.#all = {
      samples: [...samples, ...part.samples],
      pcpJson: part.pcpJson || before.pcpJson,
      pcpProblem: part.pcpProblem || before.pcpProblem,
      problem: part.problem || before.problem,
    }
  }

  /** Undefined when the host reported nothing. */
  samples(): HostSamples | undefined {
    return this.#all
  }
}
