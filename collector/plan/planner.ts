import { balanceColours } from './balance.ts'
import { type Bounds, lowerBound } from './bound.ts'
import { colourEdges, type Graph } from './colouring.ts'
import { greedyRounds } from './greedy.ts'
import { createModel, type Layout, type Model } from './model.ts'
import { type Level, type NestedCaps, nestRounds } from './nested.ts'
import type { Plan, PlanInput } from './plan.ts'
import { largestDegree, rackRounds } from './racks.ts'
import { isFeasible, orderOf, type Rounds, splitRounds } from './rounds.ts'
import { symmetricRounds } from './symmetric.ts'

/** With many pairs, a candidate with at least this ratio is used without a search for a better one. */
const GOOD_ENOUGH = 0.995
const MANY_PAIRS = 20_000

const activeNodes = ({ fleet, pairs }: PlanInput): number => {
  const active = new Uint8Array(fleet.nodes.length)
  for (const endpoints of [pairs.sources, pairs.destinations]) {
    for (const endpoint of endpoints) active[fleet.endpointNode[endpoint]!] = 1
  }
  return active.reduce((sum, one) => sum + one, 0)
}

/** Whether any pair uses a resource numbered from `first` to before `end`. */
const binds = (model: Model, first: number, end: number): boolean => {
  for (const resource of model.resources) if (resource >= first && resource < end) return true
  return false
}

/**
 * Returns the bipartite graph of senders and receivers. Its proper colourings are the plans, unless uplinks limit them
 * or a node's cap is between 1 and the number of its interfaces. With exclusive nodes senders and receivers are the same
 * vertices, and the graph is not bipartite.
 */
const senderGraph = ({ fleet, pairs, caps }: PlanInput): Graph => {
  if (caps.exclusiveNodes || caps.perNode === 1) {
    const shift = caps.exclusiveNodes ? 0 : fleet.nodes.length
    return {
      vertexCount: fleet.nodes.length + shift,
      left: pairs.sources.map((endpoint) => fleet.endpointNode[endpoint]!),
      right: pairs.destinations.map((endpoint) => fleet.endpointNode[endpoint]! + shift),
    }
  }
  const shift = fleet.endpointNode.length
  return {
    vertexCount: 2 * shift,
    left: pairs.sources,
    right: pairs.destinations.map((endpoint) => endpoint + shift),
  }
}

/** Returns the nested caps of a plan without uplinks. */
const nestedCaps = ({ fleet, pairs, caps }: PlanInput, total: number): NestedCaps => {
  const side = (endpoints: Int32Array): Level[] => [
    { resources: endpoints, resourceCount: fleet.endpointNode.length, cap: 1 },
    {
      resources: endpoints.map((endpoint) => fleet.endpointNode[endpoint]!),
      resourceCount: fleet.nodes.length,
      cap: caps.perNode,
    },
  ]
  const whole = { resources: new Int32Array(pairs.sources.length), resourceCount: 1, cap: total }
  return { senders: [...side(pairs.sources), whole], receivers: side(pairs.destinations) }
}

/** Most counters for balancing, one per resource and round: 2 bytes each. */
const MAX_COUNTERS = 2 ** 27

/** Returns as many rounds as the bound, when a node uses several but not all of its interfaces at once. */
const nestedRounds = (input: PlanInput, { rounds, withoutTotal }: Bounds): Rounds => {
  const { fleet } = input
  const fits = rounds * 2 * (fleet.endpointNode.length + fleet.nodes.length) <= MAX_COUNTERS
  const count = fits ? rounds : withoutTotal
  const total = fits ? input.caps.total : Number.POSITIVE_INFINITY
  const graph = senderGraph(input)
  const nested = { colours: colourEdges(graph, largestDegree(graph)), count }
  nestRounds(nestedCaps(input, total), nested)
  return splitRounds(nested, input.caps.total)
}

/** Returns as many rounds as the bound where Kőnig's theorem applies; remaining pairs get additional rounds. */
const colouredRounds = (input: PlanInput, { rounds, withoutTotal }: Bounds): Rounds => {
  const graph = senderGraph(input)
  let count = Math.max(withoutTotal, largestDegree(graph))
  const colours = colourEdges(graph, count)
  let left = [...colours.keys()].filter((pair) => colours[pair]! < 0)
  while (left.length > 0) {
    const rest: Graph = {
      vertexCount: graph.vertexCount,
      left: Int32Array.from(left, (pair) => graph.left[pair]!),
      right: Int32Array.from(left, (pair) => graph.right[pair]!),
    }
    const more = largestDegree(rest)
    const restColours = colourEdges(rest, more)
    for (const [index, pair] of left.entries()) {
      if (restColours[index]! >= 0) colours[pair] = count + restColours[index]!
    }
    left = left.filter((pair) => colours[pair]! < 0)
    count += more
  }
  if (input.caps.total < Number.POSITIVE_INFINITY) {
    count = Math.max(count, rounds)
    balanceColours(graph, colours, count, input.caps.total)
  }
  return { colours, count }
}

function* candidates(input: PlanInput, model: Model, layout: Layout, bounds: Bounds): Generator<Rounds> {
  const { caps } = input
  yield splitRounds(symmetricRounds(input), caps.total)
  const uplinks = binds(model, layout.rackOut, layout.total)
  const nodes = binds(model, layout.nodeTx, layout.rackOut) && caps.perNode > 1 && !caps.exclusiveNodes
  if (!uplinks) yield nodes ? nestedRounds(input, bounds) : colouredRounds(input, bounds)
  if (uplinks && !caps.exclusiveNodes) {
    for (const rounds of rackRounds(input)) yield splitRounds(rounds, caps.total)
  }
  if (uplinks || nodes) yield greedyRounds(input, model, layout)
}

/**
 * Returns a plan with as few rounds as it can find: by formula for symmetric topologies, by Kőnig's theorem where it
 * applies, by slices or greedily where uplinks are the limit.
 * @throws RangeError for caps below 1
 */
export const createPlan = (input: PlanInput): Plan => {
  checkCaps(input)
  const { model, layout } = createModel(input)
  const nodeCount = activeNodes(input)
  const bounds = lowerBound(input, model, layout, nodeCount)
  let best: Rounds = { colours: new Int32Array(0), count: 0 }
  if (model.pairCount > 0) {
    best = { ...best, count: Number.POSITIVE_INFINITY }
    for (const rounds of candidates(input, model, layout, bounds)) {
      if (rounds.count < best.count && isFeasible(model, rounds)) best = rounds
      const ratio = bounds.rounds / best.count
      if (ratio === 1 || (ratio >= GOOD_ENOUGH && model.pairCount > MANY_PAIRS)) break
    }
  }
  return {
    pairCount: model.pairCount,
    nodeCount,
    roundCount: best.count,
    lowerBound: bounds.rounds,
    ratio: best.count === 0 ? 1 : bounds.rounds / best.count,
    bottleneck: bounds.bottleneck,
    ...orderOf(best),
  }
}

const checkCaps = ({ caps }: PlanInput): void => {
  for (const cap of [caps.perNode, caps.perUplink, caps.total]) {
    if (!(cap >= 1)) throw new RangeError(`a cap must be at least 1, not ${cap}`)
  }
}
