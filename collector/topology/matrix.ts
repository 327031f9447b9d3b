import { TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { indexByName, type Topology, toNodePairs } from './topology.ts'

const unique = (names: readonly string[] | undefined): string[] => [...new Set(names)]

/** A node that is client and server is not paired with itself, and a repeated name counts once. */
export const matrix: Topology = {
  name: 'matrix',
  description: 'Each client sends to each server.',
  kind: TopologyKind.TOPOLOGY_KIND_MATRIX,
  uses: ['clients', 'servers'],
  requires: {
    clients: 'a matrix needs at least one client',
    servers: 'a matrix needs at least one server',
  },
  participants: ({ clients = [], servers = [] }) => unique([...clients, ...servers]),
  check: ({ nodes, clients = [], servers = [] }) => {
    const known = indexByName(nodes)
    const violations = Object.entries({ clients, servers }).flatMap(([field, names]) =>
      names.flatMap((name, index) =>
        known.has(name)
          ? []
          : [{ field: `${field}[${index}]`, description: `${name} is not among the nodes` }],
      ),
    )
    const [only, ...others] = unique([...clients, ...servers])
    if (violations.length === 0 && clients.length > 0 && servers.length > 0 && others.length === 0) {
      const description = `no pair is left: ${only} is the only client and the only server`
      violations.push({ field: 'servers', description })
    }
    return violations
  },
  pairs: ({ nodes, clients, servers }) => {
    const known = indexByName(nodes)
    const receivers = unique(servers).map((name) => known.get(name)!)
    const sources: number[] = []
    const destinations: number[] = []
    for (const client of unique(clients)) {
      const source = known.get(client)!
      for (const destination of receivers) {
        if (source === destination) continue
        sources.push(source)
        destinations.push(destination)
      }
    }
    return toNodePairs(sources, destinations)
  },
}
