/** Who takes part: nodes, their racks, and the interfaces that tests run between. Everything else is an index. */
export type PlanFleet = {
  /** Names of the nodes. */
  readonly nodes: readonly string[]
  /** Names of the racks. */
  readonly racks: readonly string[]
  /** The rack of each node; -1 when unknown. */
  readonly nodeRack: Int32Array
  /** The node of each endpoint. An endpoint is one interface of one node. */
  readonly endpointNode: Int32Array
  /** The interface's name of each endpoint. */
  readonly endpointInterface: readonly string[]
}

/** Directed pairs as indexes of endpoints. No pair twice, and never a node with itself. */
export type PlanPairs = {
  readonly sources: Int32Array
  readonly destinations: Int32Array
}

/** What may run at the same moment. An interface carries one test in each direction, whatever these say. */
export type Caps = {
  /** Tests that one node sends, and tests that it receives, over all its interfaces. */
  readonly perNode: number
  /** Flows that leave one rack, and flows that enter it. */
  readonly perUplink: number
  /** Tests in all. */
  readonly total: number
  /** A node in one test at a time, whether it sends or receives. */
  readonly exclusiveNodes: boolean
}

export const defaultCaps: Caps = {
  perNode: 1,
  perUplink: Number.POSITIVE_INFINITY,
  total: Number.POSITIVE_INFINITY,
  exclusiveNodes: false,
}

/** For tests that share their interfaces: all pairs may run at the same time. */
export const unlimitedCaps: Caps = { ...defaultCaps, perNode: Number.POSITIVE_INFINITY }

export type PlanInput = {
  readonly fleet: PlanFleet
  readonly pairs: PlanPairs
  readonly caps: Caps
}

/** Rounds of pairs that may run at the same moment, and how good they are. */
export type Plan = {
  readonly pairCount: number
  /** Nodes that are in at least one pair. */
  readonly nodeCount: number
  readonly roundCount: number
  /** No plan can have fewer rounds: the most loaded resource needs so many. */
  readonly lowerBound: number
  /** lowerBound / roundCount; 1 is the best there can be. */
  readonly ratio: number
  /** The resource that sets the lower bound, in words. */
  readonly bottleneck: string
  /** All pair indexes, round after round. */
  readonly order: Int32Array
  /** Where each round begins in `order`, and the end of the last one: roundCount + 1 entries. */
  readonly offsets: Int32Array
}

/** The pair indexes of one round, from 0, without a copy. */
export const roundOf = (plan: Pick<Plan, 'order' | 'offsets'>, round: number): Int32Array =>
  plan.order.subarray(plan.offsets[round], plan.offsets[round + 1])

/** The rounds in the order in which they should run. */
export function* rounds(plan: Pick<Plan, 'order' | 'offsets' | 'roundCount'>): Generator<Int32Array> {
  for (let round = 0; round < plan.roundCount; round++) yield roundOf(plan, round)
}
