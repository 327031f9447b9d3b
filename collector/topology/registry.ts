import type { TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { matrix } from './matrix.ts'
import { mesh } from './mesh.ts'
import { pairs } from './pairs.ts'
import { ring } from './ring.ts'
import { shifts } from './shifts.ts'
import { star } from './star.ts'
import type { Topology } from './topology.ts'

export type { Topology, TopologyField } from './topology.ts'

/** Every topology by the name that users type. A new topology is one file and one line here. */
export const topologies = {
  ring,
  mesh,
  matrix,
  star,
  shifts,
  pairs,
} satisfies Record<string, Topology>

export type TopologyName = keyof typeof topologies

/** Returns the topology of a kind of the protocol; undefined for TOPOLOGY_KIND_UNSPECIFIED and unknown kinds. */
export const topologyOfKind = (kind: TopologyKind): Topology | undefined =>
  Object.values<Topology>(topologies).find((topology) => topology.kind === kind)
