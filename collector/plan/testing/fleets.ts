import type { NodeInterface } from '../../inventory/keys.ts'
import { createRandom, shuffle } from '../../topology/random.ts'
import { type TopologyName, topologies } from '../../topology/registry.ts'
import { createPairs, type TopologyInput } from '../../topology/topology.ts'
import { type Caps, defaultCaps, type PlanInput } from '../plan.ts'
import { createPlanFleet, pairInterfaces } from '../plan-fleet.ts'

export type FleetShape = {
  nodes: number
  /** Nodes in a rack; no racks when absent. */
  rackSize?: number
  /** Interfaces of each node; 1 when absent. */
  interfaces?: number
}

/** Returns every named interface of every node, node by node. */
export const endpointsOfNodes = (
  nodes: readonly { name: string }[],
  names: readonly string[],
): NodeInterface[] => nodes.flatMap((node) => names.map((name) => ({ node: node.name, interface: name })))

/** Returns a regular fleet (node-1, node-2, ...) with the pairs of a topology and caps. */
export const inputOf = (
  { nodes, rackSize, interfaces = 1 }: FleetShape,
  caps: Partial<Caps> = {},
  topology: TopologyName = 'mesh',
  more: Partial<TopologyInput> = {},
): PlanInput => {
  const names = Array.from({ length: interfaces }, (_, rail) => `net${rail}`)
  const members = Array.from({ length: nodes }, (_, index) => ({
    name: `node-${index + 1}`,
    ...(rackSize && { rack: `r${Math.floor(index / rackSize) + 1}` }),
  }))
  const fleet = createPlanFleet(members, endpointsOfNodes(members, names))
  const { pairs, violations } = createPairs(topologies[topology], { nodes: fleet.nodes, ...more })
  if (violations.length > 0) throw new Error(violations.map(({ description }) => description).join('; '))
  return { fleet, pairs: pairInterfaces(fleet, pairs).pairs, caps: { ...defaultCaps, ...caps } }
}

/** Returns the same fleet with a random part of its pairs, in random order. */
export const randomPairsOf = (input: PlanInput, share: number, seed: number): PlanInput => {
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
