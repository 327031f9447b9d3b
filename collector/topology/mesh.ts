import { TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { checkNodes, shiftPairs, type Topology } from './topology.ts'

/** The pairs come shift by shift. */
export const mesh: Topology = {
  name: 'mesh',
  description: 'Each node sends to every other node.',
  kind: TopologyKind.TOPOLOGY_KIND_MESH,
  uses: ['nodes'],
  requires: {},
  check: ({ nodes }) => checkNodes(nodes),
  pairs: ({ nodes }) =>
    shiftPairs(
      nodes.length,
      Array.from({ length: nodes.length - 1 }, (_, index) => index + 1),
    ),
}
