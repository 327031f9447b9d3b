import type { PreparedTraffic } from './prepare.ts'

/** node-2 before node-10. */
const { compare: byName } = new Intl.Collator('en', { numeric: true })

const ranksOf = (names: Iterable<string>): ReadonlyMap<string, number> =>
  new Map([...new Set(names)].sort(byName).map((name, rank) => [name, rank]))

/**
 * The flows in the order of their sources, then destinations, then interfaces. It never changes, and of 100,000 flows
 * comparing names takes most of a second: so the few names are compared, and the flows by their ranks.
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
