import { balanceColours } from './balance.ts'
import { colourEdges, type Graph } from './colouring.ts'
import type { PlanInput } from './plan.ts'
import { compactCodes, type Rounds } from './rounds.ts'
import { interfaceNumbers } from './symmetric.ts'

/**
 * Racks are arranged in a circle. A slice is (i, j, d): the node at position i of every rack sends to the node at
 * position j of the rack d places further. All pairs of a slice can run at the same time, and a slice with d != 0 sends
 * exactly one flow out of each rack and one into each. So a plan of N(N-1) pairs with an uplink cap c is reduced to the
 * colouring of an m x m multigraph of positions, with at most c crossing slices per colour. Without the slices inside
 * racks this reaches max(largest degree, crossing slices / c) exactly (Kőnig, McDiarmid). The slices inside racks are few
 * and use the gaps. For a complete mesh of equal racks the result is the lower bound. Unequal racks are planned as if all
 * were as large as the largest.
 */
type Slices = {
  readonly graph: Graph
  readonly crossing: Uint8Array
  /** The slice of each pair. */
  readonly sliceOf: Int32Array
}

/** Returns the position of each node in its rack. Each node of unknown rack gets a separate rack. */
const placeNodes = ({ fleet }: PlanInput) => {
  const place = new Int32Array(fleet.nodes.length)
  const rack = new Int32Array(fleet.nodes.length)
  const filled = new Int32Array(fleet.racks.length)
  let rackCount = fleet.racks.length
  let size = 1
  for (let node = 0; node < fleet.nodes.length; node++) {
    const known = fleet.nodeRack[node]!
    rack[node] = known < 0 ? rackCount++ : known
    place[node] = known < 0 ? 0 : filled[known]!++
    size = Math.max(size, place[node]! + 1)
  }
  return { place, rack, rackCount, size }
}

const createSlices = (input: PlanInput, byNode: boolean): Slices => {
  const { fleet, pairs } = input
  const { place, rack, rackCount, size } = placeNodes(input)
  const { numbers, count: rails } = interfaceNumbers(fleet)
  const slots = size * rails
  const slices = new Map<number, number>()
  const left: number[] = []
  const right: number[] = []
  const crossing: number[] = []
  const sliceOf = new Int32Array(pairs.sources.length)
  const vertices = byNode ? size : slots
  for (let pair = 0; pair < sliceOf.length; pair++) {
    const source = pairs.sources[pair]!
    const destination = pairs.destinations[pair]!
    const from = fleet.endpointNode[source]!
    const to = fleet.endpointNode[destination]!
    const distance = (rack[to]! - rack[from]! + rackCount) % rackCount
    const slotFrom = place[from]! * rails + numbers[source]!
    const slotTo = place[to]! * rails + numbers[destination]!
    const key = (distance * slots + slotFrom) * slots + slotTo
    let slice = slices.get(key)
    if (slice === undefined) {
      slice = left.length
      slices.set(key, slice)
      left.push(byNode ? place[from]! : slotFrom)
      right.push(vertices + (byNode ? place[to]! : slotTo))
      crossing.push(distance === 0 ? 0 : 1)
    }
    sliceOf[pair] = slice
  }
  const graph = { vertexCount: 2 * vertices, left: Int32Array.from(left), right: Int32Array.from(right) }
  return { graph, crossing: Uint8Array.from(crossing), sliceOf }
}

const subgraph = (graph: Graph, edges: readonly number[]): Graph => ({
  vertexCount: graph.vertexCount,
  left: Int32Array.from(edges, (edge) => graph.left[edge]!),
  right: Int32Array.from(edges, (edge) => graph.right[edge]!),
})

export const largestDegree = ({ vertexCount, left, right }: Graph): number => {
  const degrees = new Int32Array(vertexCount)
  for (let edge = 0; edge < left.length; edge++) {
    degrees[left[edge]!]!++
    degrees[right[edge]!]!++
  }
  return degrees.reduce((most, degree) => Math.max(most, degree), 0)
}

/** Colours crossing slices first, balanced to the cap, then puts each slice inside racks into the first gap. */
const colourSlices = ({ graph, crossing }: Slices, perUplink: number): Int32Array => {
  const crossingEdges = [...crossing.keys()].filter((slice) => crossing[slice])
  const inner = [...crossing.keys()].filter((slice) => !crossing[slice])
  const crossGraph = subgraph(graph, crossingEdges)
  const count = Math.max(largestDegree(graph), Math.ceil(crossingEdges.length / perUplink))
  const crossColours = colourEdges(crossGraph, count)
  balanceColours(crossGraph, crossColours, count, Math.max(1, Math.ceil(crossingEdges.length / count)))
  const colours = new Int32Array(crossing.length)
  const taken: Set<number>[] = Array.from({ length: graph.vertexCount }, () => new Set())
  const take = (slice: number, colour: number) => {
    colours[slice] = colour
    taken[graph.left[slice]!]!.add(colour)
    taken[graph.right[slice]!]!.add(colour)
  }
  for (const [index, slice] of crossingEdges.entries()) take(slice, crossColours[index]!)
  for (const slice of inner) {
    let colour = 0
    while (taken[graph.left[slice]!]!.has(colour) || taken[graph.right[slice]!]!.has(colour)) colour++
    take(slice, colour)
  }
  return colours
}

/**
 * A second method, for caps near the size of a rack: position i sends d = s + i racks further in class (j - i, s). The
 * flows inside racks are then spread evenly over the classes, and a class has at most m - m / K crossing flows.
 */
const staggered = (input: PlanInput): Int32Array => {
  const { fleet, pairs } = input
  const { place, rack, rackCount, size } = placeNodes(input)
  const { numbers, count: rails } = interfaceNumbers(fleet)
  return pairs.sources.map((source, pair) => {
    const destination = pairs.destinations[pair]!
    const from = fleet.endpointNode[source]!
    const to = fleet.endpointNode[destination]!
    const step = (place[to]! - place[from]! + size) % size
    const stagger = (rack[to]! - rack[from]! - place[from]! + (size + 1) * rackCount) % rackCount
    const railPair = input.caps.perNode === 1 ? numbers[source]! * rails + numbers[destination]! : 0
    return (railPair * size + step) * rackCount + stagger
  })
}

/** Yields candidates for a fleet whose uplinks are the limit. The planner discards infeasible ones. */
export const rackRounds = function* (input: PlanInput): Generator<Rounds> {
  const slices = createSlices(input, input.caps.perNode === 1)
  const colours = colourSlices(slices, input.caps.perUplink)
  yield compactCodes(slices.sliceOf.map((slice) => colours[slice]!))
  yield compactCodes(staggered(input))
}
