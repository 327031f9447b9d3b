import { TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { checkNodes, notAmong, type Topology, toNodePairs } from './topology.ts'

export const star: Topology = {
  name: 'star',
  description: 'The center sends to every other node, and every other node to the center.',
  kind: TopologyKind.TOPOLOGY_KIND_STAR,
  uses: ['nodes', 'center'],
  requires: { center: 'a star needs the name of the node in its middle' },
  check: (input) => {
    const { nodes, center } = input
    const violations = checkNodes(nodes)
    if (center && !nodes.includes(center)) {
      violations.push({ field: 'center', description: notAmong(center, input) })
    }
    return violations
  },
  pairs: ({ nodes, center }) => {
    const middle = nodes.indexOf(center!)
    const sources: number[] = []
    const destinations: number[] = []
    for (let node = 0; node < nodes.length; node++) {
      if (node === middle) continue
      sources.push(middle, node)
      destinations.push(node, middle)
    }
    return toNodePairs(sources, destinations)
  },
}
