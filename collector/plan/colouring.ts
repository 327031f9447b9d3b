/**
 * Proper edge colouring by alternating paths (Kempe chains): no vertex has two edges of one colour. In a bipartite
 * graph the largest degree is always enough colours (Kőnig 1916), and this finds such a colouring. In other graphs some
 * edges may remain without a colour.
 */
export type Graph = {
  readonly vertexCount: number
  /** The two vertices of each edge, in one numbering. */
  readonly left: Int32Array
  readonly right: Int32Array
}

/** Most pairs of colours that are tried for one edge. In a bipartite graph the first one always works. */
const MAX_TRIES = 64

type Colouring = {
  readonly graph: Graph
  readonly colourCount: number
  /** Edge with a colour at a vertex, plus 1; 0 where the colour is free. */
  readonly at: Int32Array
  /** One bit for each colour that is free at a vertex. */
  readonly free: Uint32Array
  readonly words: number
  readonly colours: Int32Array
  readonly chain: number[]
}

const takeColour = (state: Colouring, vertex: number, colour: number, edge: number): void => {
  state.at[vertex * state.colourCount + colour] = edge + 1
  state.free[vertex * state.words + (colour >> 5)]! &= ~(1 << (colour & 31))
}

const releaseColour = (state: Colouring, vertex: number, colour: number): void => {
  state.at[vertex * state.colourCount + colour] = 0
  state.free[vertex * state.words + (colour >> 5)]! |= 1 << (colour & 31)
}

const setColour = (state: Colouring, edge: number, colour: number): void => {
  takeColour(state, state.graph.left[edge]!, colour, edge)
  takeColour(state, state.graph.right[edge]!, colour, edge)
  state.colours[edge] = colour
}

const lowestBit = (word: number): number => 31 - Math.clz32(word & -word)

/** Returns the first colour that is free at both vertices, or -1. */
const commonFree = (state: Colouring, one: number, other: number): number => {
  const { free, words } = state
  for (let word = 0; word < words; word++) {
    const bits = free[one * words + word]! & free[other * words + word]!
    if (bits !== 0) return word * 32 + lowestBit(bits)
  }
  return -1
}

/** Returns at most `limit` colours that are free at a vertex. */
const freeColours = (state: Colouring, vertex: number, limit: number): number[] => {
  const found: number[] = []
  for (let word = 0; word < state.words && found.length < limit; word++) {
    let bits = state.free[vertex * state.words + word]!
    while (bits !== 0 && found.length < limit) {
      found.push(word * 32 + lowestBit(bits))
      bits &= bits - 1
    }
  }
  return found
}

/** Collects the path of edges coloured `first`, `second`, `first` ... that starts at a vertex. Returns its end. */
const walk = (state: Colouring, from: number, first: number, second: number): number => {
  const { at, colourCount, graph, chain } = state
  chain.length = 0
  let vertex = from
  let colour = first
  for (let edge = at[vertex * colourCount + colour]!; edge !== 0; edge = at[vertex * colourCount + colour]!) {
    chain.push(edge - 1)
    vertex = graph.left[edge - 1]! + graph.right[edge - 1]! - vertex
    colour = colour === first ? second : first
  }
  return vertex
}

/** Exchanges the two colours along the collected path. */
const flip = (state: Colouring, first: number, second: number): void => {
  const { graph, chain, colours } = state
  for (const edge of chain) {
    releaseColour(state, graph.left[edge]!, colours[edge]!)
    releaseColour(state, graph.right[edge]!, colours[edge]!)
  }
  for (const edge of chain) setColour(state, edge, colours[edge] === first ? second : first)
}

/**
 * Colours one edge (u, v): takes a colour free at u and one free at v, and exchanges the two along the path that
 * starts at v, unless it ends at u (which it cannot in a bipartite graph).
 */
const colourEdge = (state: Colouring, edge: number): boolean => {
  const u = state.graph.left[edge]!
  const v = state.graph.right[edge]!
  const common = commonFree(state, u, v)
  if (common >= 0) {
    setColour(state, edge, common)
    return true
  }
  const side = Math.sqrt(MAX_TRIES)
  for (const a of freeColours(state, u, side)) {
    for (const b of freeColours(state, v, side)) {
      if (walk(state, v, a, b) === u) continue
      flip(state, a, b)
      setColour(state, edge, a)
      return true
    }
  }
  return false
}

/** Returns the colour of each edge; -1 for an edge that got none of the `colourCount` colours. */
export const colourEdges = (graph: Graph, colourCount: number): Int32Array => {
  const words = (colourCount + 31) >> 5
  const free = new Uint32Array(graph.vertexCount * words).fill(0xffffffff)
  if (colourCount & 31) {
    for (let vertex = 0; vertex < graph.vertexCount; vertex++) {
      free[vertex * words + words - 1] = (1 << (colourCount & 31)) - 1
    }
  }
  const edgeCount = graph.left.length
  const state: Colouring = {
    graph,
    colourCount,
    at: new Int32Array(graph.vertexCount * colourCount),
    free,
    words,
    colours: new Int32Array(edgeCount).fill(-1),
    chain: [],
  }
  for (let edge = 0; edge < edgeCount; edge++) colourEdge(state, edge)
  return state.colours
}
