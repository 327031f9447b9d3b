import type { NodeInterface } from '../inventory/keys.ts'
import type { PlanFleet, PlanPairs } from './plan.ts'

/** A node as the planner needs it; the rack is empty or absent when unknown. */
export type PlanNode = { readonly name: string; readonly rack?: string }

/** Numbers nodes and racks. Nodes and endpoints keep their positions. */
export const createPlanFleet = (
  nodes: readonly PlanNode[],
  endpoints: readonly NodeInterface[],
): PlanFleet => {
  const racks = [...new Set(nodes.flatMap(({ rack }) => (rack ? [rack] : [])))]
  const rackIndex = new Map(racks.map((rack, index) => [rack, index]))
  const nodeIndex = new Map(nodes.map(({ name }, index) => [name, index]))
  return {
    nodes: nodes.map(({ name }) => name),
    racks,
    nodeRack: Int32Array.from(nodes, ({ rack }) => (rack ? rackIndex.get(rack)! : -1)),
    endpointNode: Int32Array.from(endpoints, ({ node }) => nodeIndex.get(node)!),
    endpointInterface: endpoints.map((endpoint) => endpoint.interface),
  }
}

/** Returns the endpoint of each interface name and node, or -1: `table.get(interface)[node]`. */
const endpointTable = (fleet: PlanFleet): Map<string, Int32Array> => {
  const table = new Map<string, Int32Array>()
  for (const [endpoint, name] of fleet.endpointInterface.entries()) {
    const column = table.get(name) ?? new Int32Array(fleet.nodes.length).fill(-1)
    table.set(name, column)
    column[fleet.endpointNode[endpoint]!] = endpoint
  }
  return table
}

/**
 * Turns pairs of nodes into pairs of endpoints: from each interface to the one of the same name. `unmatched` holds the
 * positions of node pairs that share no interface name; nothing is measured between them.
 * @param isWanted whether a pair of endpoints is measured
 */
export const pairInterfaces = (
  fleet: PlanFleet,
  nodePairs: PlanPairs,
  isWanted: (source: number, destination: number) => boolean = () => true,
): { pairs: PlanPairs; unmatched: number[] } => {
  const columns = [...endpointTable(fleet).values()]
  const count = nodePairs.sources.length
  const sources = new Int32Array(count * columns.length)
  const destinations = new Int32Array(count * columns.length)
  const matched = new Uint8Array(count)
  let length = 0
  for (const column of columns) {
    for (let pair = 0; pair < count; pair++) {
      const source = column[nodePairs.sources[pair]!]!
      const destination = column[nodePairs.destinations[pair]!]!
      if (source < 0 || destination < 0 || !isWanted(source, destination)) continue
      matched[pair] = 1
      sources[length] = source
      destinations[length++] = destination
    }
  }
  const unmatched: number[] = []
  for (let pair = 0; pair < count; pair++) if (!matched[pair]) unmatched.push(pair)
  return {
    pairs: { sources: sources.slice(0, length), destinations: destinations.slice(0, length) },
    unmatched,
  }
}
