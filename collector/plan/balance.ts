import type { Graph } from './colouring.ts'

/**
 * Balances the colours of a proper edge colouring until none has more than `limit` edges. Two colours together form
 * paths and even cycles. Exchanging them along a path that has one more edge of the larger colour moves one edge to the
 * smaller one. So any number of colours from (edges / limit) up is enough (McDiarmid 1972, de Werra 1971).
 * Changes `colours` in place. Edges of colour -1 do not change.
 */
export const balanceColours = (
  graph: Graph,
  colours: Int32Array,
  colourCount: number,
  limit: number,
): void => {
  const classes: number[][] = Array.from({ length: colourCount }, () => [])
  for (let edge = 0; edge < colours.length; edge++)
    if (colours[edge]! >= 0) classes[colours[edge]!]!.push(edge)
  cutOff(classes, colours, limit)
  const small: number[] = []
  const large: number[] = []
  for (const [colour, edges] of classes.entries()) (edges.length > limit ? large : small).push(colour)
  small.sort((a, b) => classes[b]!.length - classes[a]!.length)
  const scratch = createScratch(graph)
  for (const colour of large) {
    while (classes[colour]!.length > limit) {
      const other = small.at(-1)
      if (other === undefined) return
      const room = limit - classes[other]!.length
      if (room <= 0) {
        small.pop()
        continue
      }
      const wanted = Math.min(classes[colour]!.length - limit, room)
      moveEdges(graph, scratch, classes, colour, other, wanted)
      for (const edge of classes[colour]!) colours[edge] = colour
      for (const edge of classes[other]!) colours[edge] = other
    }
  }
}

/** Splits large colours into unused ones: a part of a matching is a matching. */
const cutOff = (classes: number[][], colours: Int32Array, limit: number): void => {
  const empty = [...classes.keys()].filter((colour) => classes[colour]!.length === 0)
  for (const edges of classes) {
    while (edges.length >= 2 * limit && empty.length > 0) {
      const colour = empty.pop()!
      for (const edge of edges.splice(-limit)) {
        colours[edge] = colour
        classes[colour]!.push(edge)
      }
    }
  }
}

type Scratch = { readonly atLarge: Int32Array; readonly atSmall: Int32Array; readonly moved: Set<number> }

const createScratch = (graph: Graph): Scratch => ({
  atLarge: new Int32Array(graph.vertexCount),
  atSmall: new Int32Array(graph.vertexCount),
  moved: new Set(),
})

/** Moves `wanted` edges from the colour `from` to the smaller colour `to`, path by path. */
const moveEdges = (
  graph: Graph,
  { atLarge, atSmall, moved }: Scratch,
  classes: number[][],
  from: number,
  to: number,
  wanted: number,
): void => {
  const large = classes[from]!
  const small = classes[to]!
  mark(graph, large, atLarge, true)
  mark(graph, small, atSmall, true)
  moved.clear()
  let left = wanted
  for (const edge of large) {
    if (left === 0) break
    for (const start of [graph.left[edge]!, graph.right[edge]!]) {
      if (left === 0 || moved.has(edge) || atSmall[start] !== 0) continue
      const path = pathFrom(graph, start, atLarge, atSmall)
      if (path.length % 2 === 0) continue
      for (const step of path) moved.add(step)
      left--
    }
  }
  mark(graph, large, atLarge, false)
  mark(graph, small, atSmall, false)
  classes[from] = [...large.filter((edge) => !moved.has(edge)), ...small.filter((edge) => moved.has(edge))]
  classes[to] = [...small.filter((edge) => !moved.has(edge)), ...large.filter((edge) => moved.has(edge))]
}

const mark = (graph: Graph, edges: readonly number[], at: Int32Array, present: boolean): void => {
  for (const edge of edges) {
    at[graph.left[edge]!] = present ? edge + 1 : 0
    at[graph.right[edge]!] = present ? edge + 1 : 0
  }
}

/** Returns the path that starts at a vertex with an edge of the larger colour and none of the smaller one. */
const pathFrom = (graph: Graph, start: number, atLarge: Int32Array, atSmall: Int32Array): number[] => {
  const path: number[] = []
  let vertex = start
  let at = atLarge
  for (let edge = at[vertex]!; edge !== 0; edge = at[vertex]!) {
    path.push(edge - 1)
    vertex = graph.left[edge - 1]! + graph.right[edge - 1]! - vertex
    at = at === atLarge ? atSmall : atLarge
  }
  return path
}
