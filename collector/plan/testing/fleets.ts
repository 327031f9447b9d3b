import { createRandom, shuffle } from '../../topology/random.ts'
import { type TopologyName, topologies } from '../../topology/registry.ts'
import { createPairs, type TopologyInput } from '../../topology/topology.ts'
import { createFleet, pairInterfaces } from '../endpoints.ts'
import { type Caps, defaultCaps, type PlanInput } from '../plan.ts'

export type FleetShape = {
  nodes: number
  /** Nodes in a rack; no racks when absent. */
  rackSize?: number
  /** Interfaces of each node; 1 when absent. */
  interfaces?: number
}

/** A regular fleet, node-1 and on, with the pairs of a topology and caps. */
export const inputOf = (
  { nodes, rackSize, interfaces = 1 }: FleetShape,
  caps: Partial<Caps> = {},
  topology: TopologyName = 'mesh',
  more: Partial<TopologyInput> = {},
): PlanInput => {
  const fleet = createFleet(
    Array.from({ length: nodes }, (_, index) => ({
      name: `node-${index + 1}`,
      ...(rackSize && { rack: `r${Math.floor(index / rackSize) + 1}` }),
      interfaces: Array.from({ length: interfaces }, (_, rail) => `net${rail}`),
    })),
  )
  const { pairs, violations } = createPairs(topologies[topology], { nodes: fleet.nodes, ...more })
  if (violations.length > 0) throw new Error(violations.map(({ description }) => description).join('; '))
  return { fleet, pairs: pairInterfaces(fleet, pairs).pairs, caps: { ...defaultCaps, ...caps } }
}

/** The same fleet with a random share of its pairs, in random order. */
export const thinOut = (input: PlanInput, share: number, seed: number): PlanInput => {
  const random = createRandom(seed)
  const { sources, destinations } = input.pairs
  const kept = shuffle(
    [...sources.keys()].filter(() => random() < share),
    random,
  )
  return {
    ...input,
    pairs: {
      sources: Int32Array.from(kept, (pair) => sources[pair]!),
      destinations: Int32Array.from(kept, (pair) => destinations[pair]!),
    },
  }
}
