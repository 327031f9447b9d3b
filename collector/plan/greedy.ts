import { createRandom, type Random } from '../topology/random.ts'
import type { Layout, Model } from './model.ts'
import type { PlanInput } from './plan.ts'
import type { Rounds } from './rounds.ts'

/**
 * Fills one round after the other. The sources with the most loaded resources choose first. Each takes the most loaded
 * of a few destinations that are still free. It works for every combination of caps without a guarantee; the plan's ratio
 * states how good the result is.
 */
type Greedy = {
  readonly input: PlanInput
  readonly model: Model
  readonly random: Random
  /** Pairs by source endpoint, then destination: positions `starts[s]` to `starts[s + 1]` of `byDestination`. */
  readonly starts: Int32Array
  readonly byDestination: Int32Array
  /** For each source endpoint, one bit for each destination endpoint of a pair that has no round yet. */
  readonly remaining: Uint32Array
  readonly words: number
  /** One row of bits over endpoints for each node, and for each rack. */
  readonly nodeBits: Uint32Array
  readonly rackBits: Uint32Array
  /** Units of each resource that have no round yet, and those used in this round. */
  readonly loads: Int32Array
  readonly used: Int32Array
  /** Endpoints that may receive in this round: from their own rack, and from other racks. */
  readonly freeInside: Uint32Array
  readonly freeAcross: Uint32Array
  readonly layout: Layout
}

/** Destinations that are compared for one source. */
const SAMPLES = 4

const lowestBit = (word: number): number => 31 - Math.clz32(word & -word)

const createGreedy = (input: PlanInput, model: Model, layout: Layout): Greedy => {
  const { fleet, pairs } = input
  const endpoints = fleet.endpointNode.length
  const words = (endpoints + 31) >> 5
  const starts = new Int32Array(endpoints + 1)
  for (const source of pairs.sources) starts[source + 1]!++
  for (let source = 0; source < endpoints; source++) starts[source + 1]! += starts[source]!
  const byDestination = Int32Array.from(pairs.sources.keys()).sort(
    (a, b) => pairs.sources[a]! - pairs.sources[b]! || pairs.destinations[a]! - pairs.destinations[b]!,
  )
  const remaining = new Uint32Array(endpoints * words)
  for (const [pair, source] of pairs.sources.entries())
    setBit(remaining, source * words, pairs.destinations[pair]!)
  const nodeBits = new Uint32Array(fleet.nodes.length * words)
  const rackBits = new Uint32Array(fleet.racks.length * words)
  for (const [endpoint, node] of fleet.endpointNode.entries()) {
    setBit(nodeBits, node * words, endpoint)
    if (fleet.nodeRack[node]! >= 0) setBit(rackBits, fleet.nodeRack[node]! * words, endpoint)
  }
  return {
    input,
    model,
    layout,
    random: createRandom(1),
    starts,
    byDestination,
    remaining,
    words,
    nodeBits,
    rackBits,
    loads: model.loads.slice(),
    used: new Int32Array(model.resourceCount),
    freeInside: new Uint32Array(words),
    freeAcross: new Uint32Array(words),
  }
}

const setBit = (bits: Uint32Array, base: number, index: number): void => {
  bits[base + (index >> 5)]! |= 1 << (index & 31)
}

const clearRow = (bits: Uint32Array, rows: Uint32Array, row: number): void => {
  for (let word = 0; word < bits.length; word++) bits[word]! &= ~rows[row * bits.length + word]!
}

/** Returns the pair from a source to a destination, by binary search. */
const pairOf = ({ starts, byDestination, input }: Greedy, source: number, destination: number): number => {
  let low = starts[source]!
  let high = starts[source + 1]! - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if (input.pairs.destinations[byDestination[middle]!]! < destination) low = middle + 1
    else high = middle
  }
  return byDestination[low]!
}

/** Returns the number of rounds that a resource still needs. */
const urgency = (state: Greedy, resource: number): number =>
  state.loads[resource]! / state.model.caps[resource]!

const isFull = (state: Greedy, resource: number): boolean =>
  state.used[resource]! >= state.model.caps[resource]!

const rackOfEndpoint = ({ input: { fleet } }: Greedy, endpoint: number): number =>
  fleet.nodeRack[fleet.endpointNode[endpoint]!]!

/** Returns the source endpoints with remaining pairs, the most urgent first, ties in random order. */
const sourcesByUrgency = (state: Greedy): Int32Array => {
  const { input, layout, loads } = state
  const keys: number[] = []
  for (let source = 0; source < input.fleet.endpointNode.length; source++) {
    if (loads[layout.endpointTx + source] === 0) continue
    const node = input.fleet.endpointNode[source]!
    const rack = input.fleet.nodeRack[node]!
    const rackNeeds = rack < 0 ? 0 : Math.min(16383, Math.ceil(urgency(state, layout.rackOut + rack)))
    const nodeNeeds = Math.min(16383, Math.ceil(urgency(state, layout.nodeTx + node)))
    const rank = (rackNeeds * 16384 + nodeNeeds) * 128 + Math.floor(state.random() * 128)
    keys.push(rank * 131072 + source)
  }
  const sorted = Float64Array.from(keys).sort().reverse()
  return Int32Array.from(sorted, (key) => key % 131072)
}

/** Returns one word of the bits of destinations that a source may use now, across racks or inside its own. */
const candidates = (state: Greedy, source: number, rack: number, across: boolean, word: number): number => {
  const left = state.remaining[source * state.words + word]!
  const inside = rack < 0 ? 0 : state.rackBits[rack * state.words + word]!
  return across ? left & state.freeAcross[word]! & ~inside : left & state.freeInside[word]! & inside
}

/** Returns a destination at or after a random position, or -1. */
const pick = (state: Greedy, source: number, rack: number, across: boolean): number => {
  const first = Math.floor(state.random() * state.words)
  for (let step = 0; step < state.words; step++) {
    const word = (first + step) % state.words
    let bits = candidates(state, source, rack, across, word)
    if (bits === 0) continue
    const skip = Math.floor(state.random() * 32)
    const later = bits & (-1 << skip)
    if (later !== 0) bits = later
    return word * 32 + lowestBit(bits)
  }
  return -1
}

const choose = (state: Greedy, source: number, across: boolean): number => {
  const rack = rackOfEndpoint(state, source)
  let best = -1
  let bestNeeds = -1
  for (let sample = 0; sample < SAMPLES; sample++) {
    const destination = pick(state, source, rack, across)
    if (destination < 0) return -1
    const rackTo = rackOfEndpoint(state, destination)
    const node = state.input.fleet.endpointNode[destination]!
    const needs =
      (across && rackTo >= 0 ? urgency(state, state.layout.rackIn + rackTo) : 0) +
      urgency(state, state.layout.nodeRx + node) / 16384
    if (needs > bestNeeds) {
      best = destination
      bestNeeds = needs
    }
  }
  return best
}

/** Adds a pair to the current round, and removes destinations whose resources are full. */
const take = (state: Greedy, pair: number): void => {
  const { input, layout, freeInside, freeAcross, words } = state
  const source = input.pairs.sources[pair]!
  const destination = input.pairs.destinations[pair]!
  const from = input.fleet.endpointNode[source]!
  const to = input.fleet.endpointNode[destination]!
  const rackFrom = input.fleet.nodeRack[from]!
  const rackTo = input.fleet.nodeRack[to]!
  const resources = [layout.endpointTx + source, layout.endpointRx + destination, layout.nodeTx + from]
  resources.push(layout.nodeRx + to, layout.total)
  if (rackFrom !== rackTo && rackFrom >= 0) resources.push(layout.rackOut + rackFrom)
  if (rackFrom !== rackTo && rackTo >= 0) resources.push(layout.rackIn + rackTo)
  for (const resource of resources) {
    state.used[resource]!++
    state.loads[resource]!--
  }
  const bit = ~(1 << (destination & 31))
  state.remaining[source * words + (destination >> 5)]! &= bit
  freeInside[destination >> 5]! &= bit
  freeAcross[destination >> 5]! &= bit
  for (const node of input.caps.exclusiveNodes ? [from, to] : [to]) {
    if (!isFull(state, layout.nodeRx + node)) continue
    clearRow(freeInside, state.nodeBits, node)
    clearRow(freeAcross, state.nodeBits, node)
  }
  if (rackTo >= 0 && isFull(state, layout.rackIn + rackTo)) clearRow(freeAcross, state.rackBits, rackTo)
}

const fillRound = (state: Greedy, colours: Int32Array, round: number): number => {
  const { input, layout } = state
  state.used.fill(0)
  state.freeInside.fill(0xffffffff)
  state.freeAcross.fill(0xffffffff)
  const sources = sourcesByUrgency(state)
  let taken = 0
  for (const across of [true, false]) {
    for (const source of sources) {
      if (isFull(state, layout.total)) return taken
      const node = input.fleet.endpointNode[source]!
      if (isFull(state, layout.endpointTx + source) || isFull(state, layout.nodeTx + node)) continue
      const rack = input.fleet.nodeRack[node]!
      if (across && rack >= 0 && isFull(state, layout.rackOut + rack)) continue
      // A node is never its own destination, so exclusive nodes need no further check.
      const destination = choose(state, source, across)
      if (destination < 0) continue
      const pair = pairOf(state, source, destination)
      colours[pair] = round
      take(state, pair)
      taken++
    }
  }
  return taken
}

/** Returns rounds for any caps. */
export const greedyRounds = (input: PlanInput, model: Model, layout: Layout): Rounds => {
  const state = createGreedy(input, model, layout)
  const colours = new Int32Array(model.pairCount).fill(-1)
  let count = 0
  for (let left = model.pairCount; left > 0; count++) left -= fillRound(state, colours, count)
  return { colours, count }
}
