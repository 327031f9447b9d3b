import type { TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { closest } from '../../lib/config.ts'

/** What a topology is made from. Node names are already resolved: no labels, no addresses. */
export type TopologyInput = {
  /** The nodes that take part; NodePairs holds indexes into this list. */
  nodes: readonly string[]
  /** Names of all nodes of the fleet, for suggestions; `nodes` when absent. */
  fleet?: readonly string[]
  /** Names of the clients of a matrix. */
  clients?: readonly string[]
  /** Names of the servers of a matrix. */
  servers?: readonly string[]
  /** Name of the center node of a star. */
  center?: string
  /** Number of shifts; 0 or absent means 7, or all shifts in a fleet that has fewer. */
  shiftCount?: number
  /** Seed of the random shifts; 0 when absent. */
  seed?: number
  /** Directed pairs of node names. */
  pairs?: readonly { source: string; destination: string }[]
}

export type TopologyField = keyof TopologyInput

/** Directed pairs as indexes into `nodes`: 8 bytes per pair, so a mesh of 1,000 nodes takes 8 MB. */
export type NodePairs = {
  readonly sources: Int32Array
  readonly destinations: Int32Array
}

/** One problem of the input, and the field that has it. */
export type Violation = { field: string; description: string }

/** A way to choose pairs. */
export type Topology = {
  readonly name: string
  /** One sentence for help texts: which nodes send to which. */
  readonly description: string
  readonly kind: TopologyKind
  /** The fields that it reads. The command line refuses the options of other fields. */
  readonly uses: readonly TopologyField[]
  /** The fields that must not be empty, with the message for a request that leaves them empty. */
  readonly requires: Readonly<Partial<Record<TopologyField, string>>>
  /** Names of the nodes that take part, when they are not `nodes`. */
  readonly participants?: (input: TopologyInput) => readonly string[]
  /** Returns all problems of an input that has the required fields. */
  check(input: TopologyInput): Violation[]
  /** Returns the pairs of an input without problems. */
  pairs(input: TopologyInput): NodePairs
}

export const noPairs: NodePairs = { sources: new Int32Array(0), destinations: new Int32Array(0) }

const missingFields = ({ requires }: Topology, input: TopologyInput): Violation[] =>
  Object.entries(requires).flatMap(([field, description]) => {
    const value = input[field as TopologyField]
    const isMissing = value === undefined || (typeof value !== 'number' && value.length === 0)
    return isMissing ? [{ field, description }] : []
  })

/**
 * Returns the pairs, or all problems of the input and no pairs. The pairs are created when they are read: those of a mesh
 * of 10,000 nodes take 800 MB, and a review needs only the problems.
 */
export const createPairs = (
  topology: Topology,
  input: TopologyInput,
): { readonly pairs: NodePairs; violations: Violation[] } => {
  const violations = [...missingFields(topology, input), ...topology.check(input)]
  let created: NodePairs | undefined
  return {
    get pairs() {
      created ??= violations.length > 0 ? noPairs : topology.pairs(input)
      return created
    },
    violations,
  }
}

/** Returns the problems of a list of nodes: fewer than 2, or one that is listed twice. */
export const checkNodes = (nodes: readonly string[]): Violation[] => {
  const violations: Violation[] = []
  const seen = new Set<string>()
  for (const [index, node] of nodes.entries()) {
    if (seen.has(node)) violations.push({ field: `nodes[${index}]`, description: `${node} is listed twice` })
    seen.add(node)
  }
  if (seen.size < 2) {
    const count = seen.size === 1 ? 'there is 1' : `there are ${seen.size}`
    violations.push({ field: 'nodes', description: `at least 2 nodes are needed, ${count}` })
  }
  return violations
}

/**
 * Returns the pairs from each node to the one `shift` positions after it, for each shift in turn. A shift is a
 * permutation without fixed points, so all pairs of one shift can be measured at the same time.
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

/** Returns the problem of a node that takes no part, with the most similar name of the fleet. */
export const notAmong = (name: string, { nodes, fleet = nodes }: TopologyInput): string => {
  const meant = fleet.includes(name) ? undefined : closest(name, fleet)
  return `${name || '""'} is not among the nodes${meant ? `; did you mean ${meant}?` : ''}`
}

/** Returns the position of each name. */
export const indexByName = (names: readonly string[]): Map<string, number> =>
  new Map(names.map((name, index) => [name, index]))

export const toNodePairs = (sources: readonly number[], destinations: readonly number[]): NodePairs => ({
  sources: Int32Array.from(sources),
  destinations: Int32Array.from(destinations),
})
