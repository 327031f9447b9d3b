import { Direction } from '#proto/meshgauge/agent/v1/iperf.ts'
import type { Node } from '#proto/meshgauge/collector/v1/fleet.ts'
import type { TrafficSpec } from '#proto/meshgauge/collector/v1/traffic.ts'
import { throwIfInvalid, type Violation } from '../../../lib/errors.ts'
import { fromDuration } from '../../../lib/protobuf-time.ts'
import { endpointsOf, type FleetEndpoint, interfaceNames } from '../../inventory/endpoints.ts'
import { createPlanFleet, pairInterfaces } from '../../plan/plan-fleet.ts'
import { choosePairs } from '../../topology/choose-pairs.ts'

/** Traffic that is ready to start. Flows are positions in `sources` and `destinations`, which hold positions in `endpoints`. */
export type PreparedTraffic = {
  spec: TrafficSpec
  /** Every endpoint that takes part, and some that do not. */
  endpoints: readonly FleetEndpoint[]
  /** Names of the nodes that take part. */
  nodes: readonly string[]
  sources: Int32Array
  destinations: Int32Array
  intervalSeconds: number
  /** Without one, it goes on until it is stopped. */
  durationSeconds: number | undefined
  /** What one flow is asked to send over all its streams; undefined when no bitrate was given. */
  flowBitsPerSecond: number | undefined
}

const DEFAULT_INTERVAL_SECONDS = 5
const MAX_INTERVAL_SECONDS = 60
/** A flow costs a process at each end, and memory here; the fourth seed's shape has 4,704. */
const MAX_FLOWS = 100_000

const optionViolations = ({ options, interval }: TrafficSpec): Violation[] => {
  const seconds = fromDuration(interval) ?? DEFAULT_INTERVAL_SECONDS
  const say = (field: string, description: string): Violation => ({ field, description })
  const forward = !options || options.direction <= Direction.DIRECTION_FORWARD
  return [
    ...(seconds >= 1 && seconds <= MAX_INTERVAL_SECONDS
      ? []
      : [say('interval', `must be 1 to ${MAX_INTERVAL_SECONDS} s`)]),
    ...((fromDuration(options?.duration) ?? 1) > 0 ? [] : [say('options.duration', 'must be more than 0')]),
    ...(options?.bytes === undefined
      ? []
      : [say('options.bytes', 'traffic is bounded by a duration, or goes on')]),
    ...(fromDuration(options?.omit)
      ? [say('options.omit', 'traffic measures nothing, so it has no warm-up')]
      : []),
    ...(forward
      ? []
      : [
          say(
            'options.direction',
            'each flow goes from its source to its destination; swap them in the topology',
          ),
        ]),
    ...(options?.requestResponse || (options?.extraArguments.length ?? 0) > 0
      ? [say('options', 'traffic is of iperf3; netperf cannot keep flows up')]
      : []),
  ]
}

/**
 * Makes the flows from what was asked and from the fleet as it is now. Nodes that come later are not added.
 * @throws OperatingError SPEC_INVALID with everything that is wrong
 */
export const prepareTraffic = (spec: TrafficSpec, fleet: readonly Node[]): PreparedTraffic => {
  const chosen = choosePairs(spec.topology, fleet)
  const { names, violations: unknown } = interfaceNames(chosen.nodes, spec.interfaces)
  const violations = [...chosen.violations, ...optionViolations(spec)]
  if (chosen.violations.length === 0) violations.push(...unknown)
  throwIfInvalid('the traffic', violations)
  const endpoints = endpointsOf(chosen.nodes, names)
  const planFleet = createPlanFleet(chosen.nodes, endpoints)
  const { sources, destinations } = pairInterfaces(planFleet, chosen.pairs).pairs
  const count = sources.length
  throwIfInvalid('the traffic', [
    ...(count === 0
      ? [{ field: 'topology', description: 'it has no pair of two nodes with an interface of one name' }]
      : []),
    ...(count > MAX_FLOWS
      ? [{ field: 'topology', description: `${count} flows; at most ${MAX_FLOWS}` }]
      : []),
  ])
  const rate = spec.options?.bitsPerSecond
  return {
    spec,
    endpoints,
    nodes: [...new Set([...sources, ...destinations].map((endpoint) => endpoints[endpoint]!.node))],
    sources,
    destinations,
    intervalSeconds: fromDuration(spec.interval) ?? DEFAULT_INTERVAL_SECONDS,
    durationSeconds: fromDuration(spec.options?.duration),
    flowBitsPerSecond: rate ? rate * (spec.options?.parallelCount ?? 1) : undefined,
  }
}

/** What traffic holds, as `node interface`. */
export const interfacesOfTraffic = ({ endpoints, sources, destinations }: PreparedTraffic): Set<string> =>
  new Set(
    [...new Set([...sources, ...destinations])].map(
      (endpoint) => `${endpoints[endpoint]!.node} ${endpoints[endpoint]!.interface}`,
    ),
  )
