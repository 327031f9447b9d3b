import { TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { checkNodes, shiftPairs, type Topology } from './topology.ts'

export const ring: Topology = {
  name: 'ring',
  description: 'Each node sends to the next one, the last to the first.',
  kind: TopologyKind.TOPOLOGY_KIND_RING,
  uses: ['nodes'],
  requires: {},
  check: ({ nodes }) => checkNodes(nodes),
  pairs: ({ nodes }) => shiftPairs(nodes.length, [1]),
}
