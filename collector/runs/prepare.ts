import type { Node } from '#proto/meshgauge/collector/v1/fleet.ts'
import { type Plan as PlanMessage, type RunSpec, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { throwIfInvalid, type Violation } from '../../lib/errors.ts'
import { fromDuration, toDuration } from '../../lib/protobuf-time.ts'
import { checkExpectations } from '../diagnosis/expectations.ts'
import { endpointsOf, interfaceNames } from '../dispatch/endpoints.ts'
import { bytesOf, PAIR_OVERHEAD_SECONDS, testSeconds } from '../dispatch/estimate.ts'
import type { PreparedRun } from '../dispatch/prepared-run.ts'
import { selectNodes } from '../inventory/selectors.ts'
import { checkPlan } from '../plan/certificate.ts'
import { createFleet, pairInterfaces } from '../plan/endpoints.ts'
import { type Caps, defaultCaps, type Plan, type PlanInput } from '../plan/plan.ts'
import { createPlan } from '../plan/planner.ts'
import { topologyOfKind } from '../topology/registry.ts'
import { createPairs, type NodePairs } from '../topology/topology.ts'
import { effectiveRunSpec, withShiftCount } from './effective-run-spec.ts'

/** As HostSampling promises. */
const MIN_SAMPLING_SECONDS = 0.1

export type Chosen = { nodes: Node[]; pairs: NodePairs; violations: Violation[] }

/** Resolves the names of a topology and makes its pairs, which are positions in `nodes`. */
export const choosePairs = (spec: Pick<RunSpec, 'topology'>, fleet: readonly Node[]): Chosen => {
  const topology = spec.topology
  const kind = topologyOfKind(topology?.kind ?? TopologyKind.TOPOLOGY_KIND_UNSPECIFIED)
  if (!topology || !kind) {
    return {
      nodes: [],
      pairs: emptyPairs,
      violations: [
        { field: 'topology.kind', description: 'ring, mesh, matrix, star, shifts or pairs is needed' },
      ],
    }
  }
  const selected = {
    nodes: selectNodes(fleet, topology.nodes, 'topology.nodes'),
    clients: selectNodes(fleet, topology.clients, 'topology.clients'),
    servers: selectNodes(fleet, topology.servers, 'topology.servers'),
  }
  const isMatrix = kind.name === 'matrix'
  const unknown = [
    ...selected.nodes.violations,
    ...selected.clients.violations,
    ...selected.servers.violations,
  ]
  const missing = (['clients', 'servers'] as const)
    .filter((side) => isMatrix && topology[side].length === 0)
    .map((side) => ({ field: `topology.${side}`, description: 'a matrix needs at least one' }))
  const named = new Set(topology.pairs.flatMap(({ source, destination }) => [source, destination]))
  const nodes = isMatrix
    ? fleet.filter((node) => selected.clients.nodes.includes(node) || selected.servers.nodes.includes(node))
    : kind.name === 'pairs'
      ? fleet.filter(({ name }) => named.has(name))
      : selected.nodes.nodes
  const violations = [...unknown, ...missing]
  if (violations.length > 0) return { nodes, pairs: emptyPairs, violations }
  const made = createPairs(kind, {
    nodes: nodes.map(({ name }) => name),
    clients: selected.clients.nodes.map(({ name }) => name),
    servers: selected.servers.nodes.map(({ name }) => name),
    center: topology.center,
    shiftCount: topology.shiftCount,
    seed: topology.seed,
    pairs: topology.pairs,
  })
  return {
    nodes,
    pairs: made.pairs,
    violations: made.violations.map(({ field, description }) => ({
      field: `topology.${field}`,
      description,
    })),
  }
}

const emptyPairs: NodePairs = { sources: new Int32Array(0), destinations: new Int32Array(0) }

const capsOf = (spec: RunSpec): Caps => {
  // Pings are light: every pair runs at the same moment, and no cap but the agents' own holds them.
  if (spec.test?.$case === 'ping') {
    const all = Number.POSITIVE_INFINITY
    return { perNode: all, perUplink: all, total: all, exclusiveNodes: false }
  }
  const { caps } = spec
  if (!caps) throw new Error('the spec is not effective: it has no caps')
  return {
    perNode: caps.perNodeCount,
    perUplink: caps.perUplinkCount || defaultCaps.perUplink,
    total: caps.totalCount || defaultCaps.total,
    exclusiveNodes: caps.exclusiveNodes,
  }
}

/** What agents would refuse pair by pair, said once and before anything begins. */
const samplingViolations = ({ hostSampling, test }: RunSpec): Violation[] => {
  if (!hostSampling) return []
  const seconds = fromDuration(hostSampling.interval)
  const say = (field: string, description: string): Violation => ({ field, description })
  return [
    ...(test?.$case === 'ping' ? [say('host_sampling', 'hosts are sampled while an iperf measures')] : []),
    ...(seconds !== undefined && seconds < MIN_SAMPLING_SECONDS
      ? [say('host_sampling.interval', `${seconds} s is too short; at least ${MIN_SAMPLING_SECONDS} s`)]
      : []),
  ]
}

/** One round with everything in it: what a ping run does. */
const singleRound = (pairCount: number, nodeCount: number): Plan => ({
  pairCount,
  nodeCount,
  roundCount: Math.min(pairCount, 1),
  lowerBound: Math.min(pairCount, 1),
  ratio: 1,
  bottleneck: 'pings run all at once',
  order: Int32Array.from({ length: pairCount }, (_, index) => index),
  offsets: pairCount > 0 ? Int32Array.of(0, pairCount) : Int32Array.of(0),
})

/** What a run would be of, and everything that is wrong with what was asked; no plan is made yet. */
export const reviewRun = (
  spec: RunSpec,
  fleet: readonly Node[],
): { chosen: Chosen; names: string[]; violations: Violation[] } => {
  const chosen = choosePairs(spec, fleet)
  const { names, violations: unknownInterfaces } = interfaceNames(chosen.nodes, spec.interfaces)
  const violations = [...chosen.violations]
  if (!spec.test) violations.push({ field: 'test', description: 'ping or iperf is needed' })
  else violations.push(...checkExpectations(spec))
  violations.push(...samplingViolations(spec))
  if (chosen.violations.length === 0) {
    violations.push(...unknownInterfaces)
    if (unknownInterfaces.length === 0 && names.length === 0) {
      violations.push({
        field: 'interfaces',
        description: 'no two of the nodes have an interface of the same name',
      })
    }
  }
  return { chosen, names, violations }
}

/**
 * Makes a plan from what was asked and from the fleet as it is now.
 * @throws OperatingError SPEC_INVALID with everything that is wrong
 */
export const prepareRun = (given: RunSpec, fleet: readonly Node[]): PreparedRun => {
  const { chosen, names, violations } = reviewRun(given, fleet)
  throwIfInvalid('the run', violations)
  const spec = withShiftCount(effectiveRunSpec(given), chosen.nodes.length)

  const endpoints = endpointsOf(chosen.nodes, names)
  const planFleet = createFleet(chosen.nodes.map(({ name, rack }) => ({ name, rack, interfaces: names })))
  const { pairs } = pairInterfaces(planFleet, chosen.pairs)
  const planInput: PlanInput = { fleet: planFleet, pairs, caps: capsOf(spec) }
  const plan =
    spec.test?.$case === 'ping'
      ? singleRound(pairs.sources.length, chosen.nodes.length)
      : createPlan(planInput)
  const speeds = chosen.nodes.flatMap((node) =>
    names.map((name) => node.description?.interfaces.find((link) => link.name === name)?.speedBitsPerSecond),
  )
  const certified = spec.test?.$case === 'ping' || checkPlan(planInput, plan).length === 0
  const message: PlanMessage = {
    nodeCount: plan.nodeCount,
    pairCount: plan.pairCount,
    roundCount: plan.roundCount,
    lowerBound: plan.lowerBound,
    ratio: plan.ratio,
    bottleneck: plan.bottleneck,
    duration: toDuration(plan.roundCount * (testSeconds(spec) + PAIR_OVERHEAD_SECONDS)),
    bytes: bytesOf({ spec, sources: pairs.sources }, (endpoint) => speeds[endpoint]),
    certified,
  }
  return {
    spec,
    endpoints,
    sources: pairs.sources,
    destinations: pairs.destinations,
    plan,
    planInput,
    message,
  }
}
