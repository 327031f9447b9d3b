import type { PreparedTraffic } from './prepare.ts'

/** Compares with numbers in numeric order: node-2 is before node-10. */
const { compare: byName } = new Intl.Collator('en', { numeric: true })

const ranksOf = (names: Iterable<string>): ReadonlyMap<string, number> =>
  new Map([...new Set(names)].sort(byName).map((name, rank) => [name, rank]))

/**
 * The numbers of the flows, sorted by source, destination and interface. Comparing the names of 100,000 flows takes most
 * of a second. So only the names of nodes and interfaces are sorted, and the flows by the ranks of these.
 */
export const flowsByName = ({ endpoints, sources, destinations }: PreparedTraffic): Uint32Array => {
  const nodes = ranksOf(endpoints.map(({ node }) => node))
  const interfaces = ranksOf(endpoints.map((endpoint) => endpoint.interface))
  const nodeRanks = endpoints.map(({ node }) => nodes.get(node)!)
  const interfaceRanks = endpoints.map((endpoint) => interfaces.get(endpoint.interface)!)
  const keys = Float64Array.from(sources, (source, flow) => {
    const pair = nodeRanks[source]! * nodes.size + nodeRanks[destinations[flow]!]!
    return pair * interfaces.size + interfaceRanks[source]!
  })
  return Uint32Array.from(sources, (_, flow) => flow).sort((one, other) => keys[one]! - keys[other]!)
}
