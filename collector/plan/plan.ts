/** The nodes, racks and interfaces of a plan. Everything else in a plan is an index into these. */
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

/** Directed pairs as indexes of endpoints. Each pair occurs once, and no node is paired with itself. */
export type PlanPairs = {
  readonly sources: Int32Array
  readonly destinations: Int32Array
}

/** Limits of what may run at the same time. An interface always has at most one test per direction. */
export type Caps = {
  /** Tests that one node sends, and tests that it receives, over all its interfaces. */
  readonly perNode: number
  /** Flows that leave one rack, and flows that enter it. */
  readonly perUplink: number
  /** Tests in total. */
  readonly total: number
  /** A node is in one test at a time, as sender or receiver. */
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

/** Rounds of pairs that may run at the same time, and how close they are to the lower bound. */
export type Plan = {
  readonly pairCount: number
  /** Nodes that are in at least one pair. */
  readonly nodeCount: number
  readonly roundCount: number
  /** Minimum number of rounds: what the most loaded resource needs. */
  readonly lowerBound: number
  /** lowerBound / roundCount; 1 is optimal. */
  readonly ratio: number
  /** The resource that sets the lower bound, as text. */
  readonly bottleneck: string
  /** All pair indexes, round after round. */
  readonly order: Int32Array
  /** Where each round starts in `order`, and the end of the last one: roundCount + 1 entries. */
  readonly offsets: Int32Array
}

/** Returns the pair indexes of one round (from 0) without a copy. */
export const roundOf = (plan: Pick<Plan, 'order' | 'offsets'>, round: number): Int32Array =>
  plan.order.subarray(plan.offsets[round], plan.offsets[round + 1])

/** Yields the rounds in the order in which they should run. */
export function* rounds(plan: Pick<Plan, 'order' | 'offsets' | 'roundCount'>): Generator<Int32Array> {
  for (let round = 0; round < plan.roundCount; round++) yield roundOf(plan, round)
}
