import type { PlanInput } from './plan.ts'

/**
 * The planning problem without names: each pair uses one unit of up to `width` resources in its round, and no round may
 * use more units of a resource than its cap. Resources whose cap can never be reached are not in `resources`, which
 * makes the usual cases fast.
 */
export type Model = {
  readonly pairCount: number
  readonly width: number
  /** Resources of pair p at p * width, padded with -1. */
  readonly resources: Int32Array
  readonly resourceCount: number
  /** Units of each resource in one round; may be Infinity. */
  readonly caps: Float64Array
  /** Units of each resource over all rounds. */
  readonly loads: Int32Array
}

const WIDTH = 7

/** The first number of each kind of resource; there is one for each endpoint, node or rack. */
export type Layout = {
  readonly endpointTx: number
  readonly endpointRx: number
  readonly nodeTx: number
  /** The same as nodeTx when nodes are exclusive: one resource for both directions. */
  readonly nodeRx: number
  readonly rackOut: number
  readonly rackIn: number
  readonly total: number
  readonly count: number
}

const layoutOf = ({ fleet, caps }: PlanInput): Layout => {
  const endpoints = fleet.endpointNode.length
  const nodes = fleet.nodes.length
  const racks = fleet.racks.length
  const nodeTx = 2 * endpoints
  const rackOut = nodeTx + 2 * nodes
  return {
    endpointTx: 0,
    endpointRx: endpoints,
    nodeTx,
    nodeRx: caps.exclusiveNodes ? nodeTx : nodeTx + nodes,
    rackOut,
    rackIn: rackOut + racks,
    total: rackOut + 2 * racks,
    count: rackOut + 2 * racks + 1,
  }
}

const fillCaps = ({ caps }: PlanInput, layout: Layout): Float64Array => {
  const result = new Float64Array(layout.count)
  result.fill(1, 0, layout.nodeTx)
  result.fill(caps.exclusiveNodes ? 1 : caps.perNode, layout.nodeTx, layout.rackOut)
  result.fill(caps.perUplink, layout.rackOut, layout.total)
  result[layout.total] = caps.total
  return result
}

/**
 * A pair uses uplinks when its nodes are in different racks. A node of unknown rack counts as outside every rack, so
 * that an uplink gets too few flows rather than too many.
 */
const fillResources = (input: PlanInput, layout: Layout, resources: Int32Array, loads: Int32Array): void => {
  const { fleet, pairs } = input
  for (let pair = 0; pair < pairs.sources.length; pair++) {
    const source = pairs.sources[pair]!
    const destination = pairs.destinations[pair]!
    const from = fleet.endpointNode[source]!
    const to = fleet.endpointNode[destination]!
    const rackFrom = fleet.nodeRack[from]!
    const rackTo = fleet.nodeRack[to]!
    const cross = rackFrom !== rackTo
    const at = pair * WIDTH
    resources[at] = layout.endpointTx + source
    resources[at + 1] = layout.endpointRx + destination
    resources[at + 2] = layout.nodeTx + from
    resources[at + 3] = layout.nodeRx + to
    resources[at + 4] = cross && rackFrom >= 0 ? layout.rackOut + rackFrom : -1
    resources[at + 5] = cross && rackTo >= 0 ? layout.rackIn + rackTo : -1
    resources[at + 6] = layout.total
    for (let slot = at; slot < at + WIDTH; slot++) if (resources[slot]! >= 0) loads[resources[slot]!]!++
  }
}

/** Returns how many units of each resource its parts can use in a round, without its own cap. */
const innerCaps = (
  { fleet, caps: asked }: PlanInput,
  layout: Layout,
  caps: Float64Array,
  loads: Int32Array,
) => {
  const inner = new Float64Array(layout.count)
  const totals: number[] = []
  for (const [endpointBase, nodeBase, rackBase] of [
    [layout.endpointTx, layout.nodeTx, layout.rackOut],
    [layout.endpointRx, layout.nodeRx, layout.rackIn],
  ] as const) {
    for (let endpoint = 0; endpoint < fleet.endpointNode.length; endpoint++) {
      if (loads[endpointBase + endpoint]! > 0) inner[nodeBase + fleet.endpointNode[endpoint]!]!++
    }
    let total = 0
    for (let node = 0; node < fleet.nodes.length; node++) {
      const rack = fleet.nodeRack[node]!
      const reach = Math.min(inner[nodeBase + node]!, caps[nodeBase + node]!)
      if (rack >= 0) inner[rackBase + rack]! += reach
      total += reach
    }
    totals.push(total)
  }
  // With exclusive nodes each node of a pair counts, and a pair uses two of them.
  inner[layout.total] = asked.exclusiveNodes ? Math.floor(totals[1]! / 2) : Math.min(...totals)
  return inner
}

/** Removes resources that never limit a plan: those whose parts cannot reach the cap, and interfaces of a node with one test. */
const dropIdle = (input: PlanInput, layout: Layout, model: Model): void => {
  const inner = innerCaps(input, layout, model.caps, model.loads)
  const idle = new Uint8Array(layout.count)
  for (let resource = 0; resource < layout.count; resource++) {
    const cap = model.caps[resource]!
    const isEndpoint = resource < layout.nodeTx
    const isNode = !isEndpoint && resource < layout.rackOut
    const coveredByNode = isEndpoint && model.caps[layout.nodeTx] === 1
    const coveredByParts = !isEndpoint && cap >= inner[resource]!
    const keepAnyway = isNode && cap === 1
    const coveredByTotal = resource !== layout.total && cap >= model.caps[layout.total]!
    const neverFull = model.loads[resource]! <= cap || coveredByTotal
    if (neverFull || coveredByNode || (coveredByParts && !keepAnyway)) idle[resource] = 1
  }
  for (let slot = 0; slot < model.resources.length; slot++) {
    if (model.resources[slot]! >= 0 && idle[model.resources[slot]!]) model.resources[slot] = -1
  }
}

export const createModel = (input: PlanInput): { model: Model; layout: Layout } => {
  const layout = layoutOf(input)
  const pairCount = input.pairs.sources.length
  const model: Model = {
    pairCount,
    width: WIDTH,
    resources: new Int32Array(pairCount * WIDTH),
    resourceCount: layout.count,
    caps: fillCaps(input, layout),
    loads: new Int32Array(layout.count),
  }
  fillResources(input, layout, model.resources, model.loads)
  dropIdle(input, layout, model)
  return { model, layout }
}
