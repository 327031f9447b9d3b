import { TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { indexByName, type Topology, toNodePairs, type Violation } from './topology.ts'

const checkSide = (
  field: string,
  side: readonly string[],
  known: ReadonlyMap<string, number>,
): Violation[] => {
  if (side.length === 0) return [{ field, description: `a matrix needs at least one of its ${field}` }]
  return side.flatMap((name, index) =>
    known.has(name) ? [] : [{ field: `${field}[${index}]`, description: `${name} is not among the nodes` }],
  )
}

const unique = (names: readonly string[] | undefined): string[] => [...new Set(names)]

/** Each client to each server. A node that is both is not paired with itself, and a repeated name counts once. */
export const matrix: Topology = {
  name: 'matrix',
  description: 'Each client sends to each server.',
  kind: TopologyKind.TOPOLOGY_KIND_MATRIX,
  check: ({ nodes, clients = [], servers = [] }) => {
    const known = indexByName(nodes)
    const violations = [...checkSide('clients', clients, known), ...checkSide('servers', servers, known)]
    const everyone = new Set([...clients, ...servers])
    if (violations.length === 0 && everyone.size < 2) {
      violations.push({
        field: 'servers',
        description: `no pair is left: ${[...everyone][0]} is the only client and the only server`,
      })
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
