import type { Topology as TopologyRequest } from '#proto/meshgauge/collector/v1/run.ts'
import type { FleetNode } from '../inventory/node.ts'
import { selectNodes } from '../inventory/selectors.ts'
import { topologies, topologyOfKind } from './registry.ts'
import { createPairs, type NodePairs, noPairs, type TopologyInput, type Violation } from './topology.ts'

/** The nodes that take part, in the order of the fleet, and the pairs as indexes into them. */
export type ChosenPairs = { nodes: FleetNode[]; pairs: NodePairs; violations: Violation[] }

/** Resolves the selectors of a request, and creates the pairs of its topology. */
export const choosePairs = (request: TopologyRequest, fleet: readonly FleetNode[]): ChosenPairs => {
  const topology = topologyOfKind(request.kind)
  if (!topology) {
    const description = `one of ${Object.keys(topologies).join(', ')} is needed`
    return { nodes: [], pairs: noPairs, violations: [{ field: 'topology.kind', description }] }
  }
  const violations: Violation[] = []
  const namesOf = (field: 'nodes' | 'clients' | 'servers'): string[] => {
    const selected = selectNodes(fleet, request[field], `topology.${field}`)
    violations.push(...selected.violations)
    return selected.nodes.map(({ name }) => name)
  }
  const selected: TopologyInput = {
    nodes: namesOf('nodes'),
    // Without a selector `nodes` means the whole fleet; clients and servers must be selected.
    clients: request.clients.length > 0 ? namesOf('clients') : [],
    servers: request.servers.length > 0 ? namesOf('servers') : [],
    center: request.center,
    shiftCount: request.shiftCount,
    seed: request.seed,
    pairs: request.pairs,
  }
  const participants = new Set(topology.participants?.(selected) ?? selected.nodes)
  const nodes = fleet.filter(({ name }) => participants.has(name))
  if (violations.length > 0) return { nodes, pairs: noPairs, violations }
  const created = createPairs(topology, {
    ...selected,
    nodes: nodes.map(({ name }) => name),
    fleet: fleet.map(({ name }) => name),
  })
  return {
    nodes,
    pairs: created.pairs,
    violations: created.violations.map(({ field, description }) => ({
      field: `topology.${field}`,
      description,
    })),
  }
}
