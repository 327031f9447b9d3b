import type { Plan as PlanMessage } from '#proto/meshgauge/collector/v1/run.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import type { FleetEndpoint } from '../inventory/endpoints.ts'
import type { NodePairs } from '../topology/topology.ts'
import { capsOf } from './caps.ts'
import { checkPlan } from './certificate.ts'
import { bytesOf, PAIR_OVERHEAD_SECONDS, testSeconds } from './estimate.ts'
import type { Plan, PlanInput } from './plan.ts'
import { createPlanFleet, type PlanNode, pairInterfaces } from './plan-fleet.ts'
import { createPlan } from './planner.ts'
import type { RunSpec } from './run-spec.ts'

/** A run with its plan. A pair is an index into `sources` and `destinations`, which hold indexes into `endpoints`. */
export type PlannedRun = {
  spec: RunSpec
  endpoints: readonly FleetEndpoint[]
  sources: Int32Array
  destinations: Int32Array
  plan: Plan
  planInput: PlanInput
  /** The plan as the API shows it, with its certificate and the estimated duration and bytes. */
  message: PlanMessage
}

/** The plan of a ping run: all pairs in one round. */
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

/**
 * Plans the pairs of a run.
 * @param nodePairs indexes into `nodes`; each becomes one pair for each interface name that both nodes have
 * @param isWanted whether a pair of positions in `endpoints` is measured; all are by default
 */
export const planRun = (
  spec: RunSpec,
  nodes: readonly PlanNode[],
  endpoints: readonly FleetEndpoint[],
  nodePairs: NodePairs,
  isWanted?: (source: number, destination: number) => boolean,
): PlannedRun => {
  const fleet = createPlanFleet(nodes, endpoints)
  const { pairs } = pairInterfaces(fleet, nodePairs, isWanted)
  const planInput: PlanInput = { fleet, pairs, caps: capsOf(spec) }
  const isPing = spec.test.kind === 'ping'
  const plan = isPing ? singleRound(pairs.sources.length, nodes.length) : createPlan(planInput)
  const message: PlanMessage = {
    nodeCount: plan.nodeCount,
    pairCount: plan.pairCount,
    roundCount: plan.roundCount,
    lowerBound: plan.lowerBound,
    ratio: plan.ratio,
    bottleneck: plan.bottleneck,
    duration: toDuration(plan.roundCount * (testSeconds(spec.test) + PAIR_OVERHEAD_SECONDS)),
    bytes: bytesOf(spec.test, pairs.sources, (endpoint) => endpoints[endpoint]!.speedBitsPerSecond),
    certified: isPing || checkPlan(planInput, plan).length === 0,
  }
  return { spec, endpoints, ...pairs, plan, planInput, message }
}
