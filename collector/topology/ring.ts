import { TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { checkNodes, shiftPairs, type Topology } from './topology.ts'

/** Each node to the next one, the last to the first. */
export const ring: Topology = {
  name: 'ring',
  description: 'Each node sends to the next one, the last to the first.',
  kind: TopologyKind.TOPOLOGY_KIND_RING,
  check: ({ nodes }) => checkNodes(nodes),
  pairs: ({ nodes }) => shiftPairs(nodes.length, [1]),
}
