import type { PlanFleet, PlanInput } from './plan.ts'
import { compactCodes, type Rounds } from './rounds.ts'

/** Returns the number of each endpoint's interface name, and the count of names. */
export const interfaceNumbers = (fleet: PlanFleet): { numbers: Int32Array; count: number } => {
  const names = new Map<string, number>()
  const numbers = Int32Array.from(fleet.endpointInterface, (name) => {
    if (!names.has(name)) names.set(name, names.size)
    return names.get(name)!
  })
  return { numbers, count: names.size }
}

/** Maps a pair of nodes to a class whose pairs can all run at the same time. */
type ClassOf = (source: number, destination: number, nodeCount: number) => number

/**
 * Cyclic shifts: node i sends to node (i + t) mod N in class t. Every node sends once and receives once in a class. A mesh
 * has N - 1 classes, which is optimal.
 */
const shiftClass: ClassOf = (source, destination, nodeCount) => (destination - source + nodeCount) % nodeCount

/**
 * The circle method (1-factorisation of the complete graph): with an odd number M of nodes around the circle, the
 * pairs with i + j = c (mod M) share no node, and one node has a bye; an even fleet gives the bye to its last node.
 * The two directions of a pair are in two classes.
 */
const circleClass: ClassOf = (source, destination, nodeCount) => {
  const circle = nodeCount % 2 === 0 ? nodeCount - 1 : nodeCount
  const low = Math.min(source, destination)
  const high = Math.max(source, destination)
  const factor = high === circle ? (2 * low) % circle : (low + high) % circle
  return 2 * factor + (source < destination ? 0 : 1)
}

/**
 * Returns rounds by formula for symmetric topologies: mesh, shifts, ring. The planner checks whether they are feasible
 * and reach the lower bound. With several interfaces, each class of node pairs becomes one class per interface.
 * Consecutive classes differ in the interface, so a round contains as many of them as a node may use interfaces at once.
 */
export const symmetricRounds = (input: PlanInput): Rounds => {
  const { fleet, pairs, caps } = input
  const classOf = caps.exclusiveNodes ? circleClass : shiftClass
  const { numbers, count } = interfaceNumbers(fleet)
  const codes = new Int32Array(pairs.sources.length)
  for (let pair = 0; pair < codes.length; pair++) {
    const source = pairs.sources[pair]!
    const destination = pairs.destinations[pair]!
    const nodeClass = classOf(
      fleet.endpointNode[source]!,
      fleet.endpointNode[destination]!,
      fleet.nodes.length,
    )
    const crossing = (numbers[destination]! - numbers[source]! + count) % count
    codes[pair] = (nodeClass * count + crossing) * count + numbers[source]!
  }
  const classes = compactCodes(codes)
  const atOnce = caps.exclusiveNodes ? 1 : Math.min(caps.perNode, count)
  if (atOnce === 1) return classes
  return {
    colours: classes.colours.map((colour) => Math.floor(colour / atOnce)),
    count: Math.ceil(classes.count / atOnce),
  }
}
