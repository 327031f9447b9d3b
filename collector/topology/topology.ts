import type { TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'

/** What a topology is made from. Node names are already resolved: no labels, no addresses. */
export type TopologyInput = {
  /** The nodes that pairs are made of; the indexes in NodePairs point into this list. */
  nodes: readonly string[]
  /** Names of the clients of a matrix. */
  clients?: readonly string[]
  /** Names of the servers of a matrix. */
  servers?: readonly string[]
  /** Name of the middle of a star. */
  center?: string
  /** How many shifts; 0 or absent means 7, or all of them in a fleet with fewer. */
  shiftCount?: number
  /** Seed of the random shifts; 0 when absent. */
  seed?: number
  /** Directed pairs of node names. */
  pairs?: readonly { source: string; destination: string }[]
}

/** Directed pairs as indexes into `nodes`: 8 bytes a pair, so that a mesh of 1,000 nodes is 8 MB. */
export type NodePairs = {
  readonly sources: Int32Array
  readonly destinations: Int32Array
}

/** One thing that is wrong with the input, and where. */
export type Violation = { field: string; description: string }

/** A way to choose pairs. */
export type Topology = {
  readonly name: string
  /** One sentence for help texts: which nodes send to which. */
  readonly description: string
  readonly kind: TopologyKind
  /** Everything that is wrong with the input, at once. */
  check(input: TopologyInput): Violation[]
  /** The pairs of an input in which `check` finds nothing wrong. */
  pairs(input: TopologyInput): NodePairs
}

export const noPairs: NodePairs = { sources: new Int32Array(0), destinations: new Int32Array(0) }

/** The pairs, or everything that is wrong with the input; then there are no pairs. */
export const createPairs = (
  topology: Topology,
  input: TopologyInput,
): { pairs: NodePairs; violations: Violation[] } => {
  const violations = topology.check(input)
  return { pairs: violations.length > 0 ? noPairs : topology.pairs(input), violations }
}

/** Violations of a list of nodes: too few of them, or one listed twice. */
export const checkNodes = (nodes: readonly string[]): Violation[] => {
  const violations: Violation[] = []
  const seen = new Set<string>()
  for (const [index, node] of nodes.entries()) {
    if (seen.has(node)) violations.push({ field: `nodes[${index}]`, description: `${node} is listed twice` })
    seen.add(node)
  }
  if (seen.size < 2) {
    violations.push({
      field: 'nodes',
      description: `at least 2 nodes are needed, ${describeCount(seen.size)}`,
    })
  }
  return violations
}

const describeCount = (count: number): string => (count === 1 ? 'there is 1' : `there are ${count}`)

/**
 * Each node to the one that stands `shift` places further on, for each shift, one shift after the other. A shift
 * is a permutation without fixed points, so the pairs of one shift can all be measured at the same moment.
 */
export const shiftPairs = (nodeCount: number, shifts: readonly number[]): NodePairs => {
  const sources = new Int32Array(nodeCount * shifts.length)
  const destinations = new Int32Array(nodeCount * shifts.length)
  let pair = 0
  for (const shift of shifts) {
    for (let source = 0; source < nodeCount; source++) {
      sources[pair] = source
      destinations[pair] = (source + shift) % nodeCount
      pair++
    }
  }
  return { sources, destinations }
}

/** Position of each name. */
export const indexByName = (names: readonly string[]): Map<string, number> =>
  new Map(names.map((name, index) => [name, index]))

export const toNodePairs = (sources: readonly number[], destinations: readonly number[]): NodePairs => ({
  sources: Int32Array.from(sources),
  destinations: Int32Array.from(destinations),
})
