import type { Topology as TopologyRequest } from '#proto/meshgauge/collector/v1/run.ts'
import { namesIn } from '../../lib/host-list.ts'
import { nameKey } from '../inventory/agent-address.ts'
import type { FleetNode } from '../inventory/node.ts'
import { selectNodes } from '../inventory/selectors.ts'
import { type NamedAddresses, namedAddresses } from './named-addresses.ts'
import { topologies, topologyOfKind } from './registry.ts'
import { createPairs, type NodePairs, noPairs, type TopologyInput, type Violation } from './topology.ts'

/** The nodes that take part, in the order of the fleet, and the pairs as indexes into them. */
export type ChosenPairs = {
  nodes: FleetNode[]
  readonly pairs: NodePairs
  violations: Violation[]
  /** The addresses that a matrix names; undefined when all are measured. */
  named?: NamedAddresses | undefined
}

/** Returns the name as the fleet writes it; text that names no node is returned unchanged. */
const nodeNamed = (fleet: readonly FleetNode[], text: string): string =>
  fleet.find(({ name }) => nameKey(name) === nameKey(text))?.name ?? text

type NamedPair = TopologyRequest['pairs'][number]

/** `a[1-2]` to `b[1-2]` is a1 to b1 and a2 to b2. A single name is paired with each name of the other list. */
const expandPair = ({ source, destination }: NamedPair): NamedPair[] | { problem: string } => {
  const [sources, destinations] = [namesIn(source), namesIn(destination)]
  if ('problem' in sources) return sources
  if ('problem' in destinations) return destinations
  const count = Math.max(sources.length, destinations.length)
  if ([sources, destinations].some(({ length }) => length !== count && length !== 1))
    return { problem: `${source} has ${sources.length} nodes and ${destination} has ${destinations.length}` }
  return Array.from({ length: count }, (_, index) => ({
    source: sources.length === 1 ? sources[0]! : sources[index]!,
    destination: destinations.length === 1 ? destinations[0]! : destinations[index]!,
  }))
}

const expandPairs = (given: readonly NamedPair[]): { expanded: NamedPair[]; violations: Violation[] } => {
  const violations: Violation[] = []
  const expanded = given.flatMap((pair, index) => {
    const pairs = expandPair(pair)
    if (!('problem' in pairs)) return pairs
    violations.push({ field: `topology.pairs[${index}]`, description: pairs.problem })
    return []
  })
  return { expanded, violations }
}

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
  const pairs = expandPairs(request.pairs)
  violations.push(...pairs.violations)
  const selected: TopologyInput = {
    nodes: namesOf('nodes'),
    // Without a selector `nodes` means the whole fleet; clients and servers must be selected.
    clients: request.clients.length > 0 ? namesOf('clients') : [],
    servers: request.servers.length > 0 ? namesOf('servers') : [],
    center: nodeNamed(fleet, request.center),
    shiftCount: request.shiftCount,
    seed: request.seed,
    pairs: pairs.expanded,
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
    get pairs() {
      return created.pairs
    },
    named: namedAddresses(request, nodes, (selectors) =>
      selectNodes(nodes, selectors, '').nodes.map(({ name }) => name),
    ),
    violations: created.violations.map(({ field, description }) => ({
      field: `topology.${field}`,
      description,
    })),
  }
}
