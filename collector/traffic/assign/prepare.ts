import { Direction } from '#proto/meshgauge/agent/v1/iperf.ts'
import { throwIfInvalid, type Violation } from '../../../lib/errors.ts'
import { endpointsOf, type FleetEndpoint, interfaceNames } from '../../inventory/endpoints.ts'
import { interfaceKey } from '../../inventory/keys.ts'
import type { FleetNode } from '../../inventory/node.ts'
import { createPlanFleet, pairInterfaces } from '../../plan/plan-fleet.ts'
import { choosePairs } from '../../topology/choose-pairs.ts'
import { restrictTo } from '../../topology/named-addresses.ts'
import type { TrafficSpec } from './traffic-spec.ts'

/** Traffic that is ready to start. Flows are positions in `sources` and `destinations`; these contain positions in `endpoints`. */
export type PreparedTraffic = {
  spec: TrafficSpec
  /** The endpoints of all flows, and some others. */
  endpoints: readonly FleetEndpoint[]
  /** Names of the nodes that have flows. */
  nodes: readonly string[]
  sources: Int32Array
  destinations: Int32Array
  /** The requested bitrate of one flow over all its streams; undefined when the spec has none. */
  flowBitsPerSecond: number | undefined
}

const MAX_INTERVAL_SECONDS = 60
/** A flow costs a process at each end, and memory in the collector. */
const MAX_FLOWS = 100_000

const optionViolations = ({ options, intervalSeconds: seconds }: TrafficSpec): Violation[] => {
  const violation = (field: string, description: string): Violation => ({ field, description })
  const forward = options.direction <= Direction.DIRECTION_FORWARD
  return [
    ...(seconds >= 1 && seconds <= MAX_INTERVAL_SECONDS
      ? []
      : [violation('interval', `must be 1 to ${MAX_INTERVAL_SECONDS} s`)]),
    ...((options.durationSeconds ?? 1) > 0 ? [] : [violation('options.duration', 'must be more than 0')]),
    ...(options.bytes === undefined
      ? []
      : [violation('options.bytes', 'does not apply to traffic; give a duration, or stop it')]),
    ...(options.omitSeconds
      ? [violation('options.omit', 'does not apply to traffic, which has no warm-up')]
      : []),
    ...(forward
      ? []
      : [
          violation(
            'options.direction',
            'must be forward; to reverse the flows, swap the nodes in the topology',
          ),
        ]),
    ...(options.requestResponse || options.extraArguments.length > 0
      ? [violation('options', 'must be options of iperf3; netperf cannot send sustained traffic')]
      : []),
  ]
}

/**
 * Chooses the flows from the spec and the current fleet. Nodes that join the fleet later are not added.
 * @throws OperatingError SPEC_INVALID with all problems
 */
export const prepareTraffic = (spec: TrafficSpec, fleet: readonly FleetNode[]): PreparedTraffic => {
  const chosen = choosePairs(spec.topology, fleet)
  const { names, violations: unknown } = interfaceNames(chosen.nodes, spec.interfaces)
  const violations = [...chosen.violations, ...optionViolations(spec)]
  if (chosen.violations.length === 0) violations.push(...unknown)
  throwIfInvalid('the traffic', violations)
  const { endpoints, isWanted } = restrictTo(chosen.named, endpointsOf(chosen.nodes, names))
  const planFleet = createPlanFleet(chosen.nodes, endpoints)
  const { sources, destinations } = pairInterfaces(planFleet, chosen.pairs, isWanted).pairs
  const count = sources.length
  throwIfInvalid('the traffic', [
    ...(count === 0
      ? [{ field: 'topology', description: 'has no pair of nodes that both have one of the interfaces' }]
      : []),
    ...(count > MAX_FLOWS
      ? [{ field: 'topology', description: `has ${count} flows; at most ${MAX_FLOWS} are allowed` }]
      : []),
  ])
  const rate = spec.options.bitsPerSecond
  return {
    spec,
    endpoints,
    nodes: [...new Set([...sources, ...destinations].map((endpoint) => endpoints[endpoint]!.node))],
    sources,
    destinations,
    flowBitsPerSecond: rate ? rate * spec.options.parallelCount : undefined,
  }
}

/** The keys of the interfaces that the traffic uses. See interfaceKey. */
export const interfacesOfTraffic = ({ endpoints, sources, destinations }: PreparedTraffic): Set<string> =>
  new Set([...new Set([...sources, ...destinations])].map((endpoint) => interfaceKey(endpoints[endpoint]!)))
