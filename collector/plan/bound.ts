import { counted } from '../../lib/units.ts'
import type { Layout, Model } from './model.ts'
import type { PlanInput } from './plan.ts'

export type Bound = {
  /** Minimum number of rounds of any plan. */
  readonly rounds: number
  /** The resource that sets the bound, as text. */
  readonly bottleneck: string
}

/** The bound, and the bound without the cap on the total. */
export type Bounds = Bound & { readonly withoutTotal: number }

/** The resources of one kind, and the texts about them. */
type Family = {
  readonly first: number
  readonly count: number
  /** Text for all of them, when they are equally loaded. */
  readonly all: string
  readonly name: (index: number) => string
  readonly does: (load: number, cap: number) => string
}

const atATime = (cap: number): string => (cap === 1 ? 'one at a time' : `${cap} at a time`)

const families = ({ fleet, caps }: PlanInput, layout: Layout): Family[] => {
  const nodes = { count: fleet.nodes.length, all: 'each node', name: (node: number) => fleet.nodes[node]! }
  const endpoints = {
    count: fleet.endpointNode.length,
    all: 'each interface',
    name: (endpoint: number) =>
      `${fleet.endpointInterface[endpoint]} of ${fleet.nodes[fleet.endpointNode[endpoint]!]}`,
  }
  const racks = {
    count: fleet.racks.length,
    all: 'each rack',
    name: (rack: number) => `rack ${fleet.racks[rack]}`,
  }
  const tests = (verb: string) => (load: number, cap: number) =>
    `${verb} ${counted(load, 'test')}${load > 1 ? `, ${atATime(cap)}` : ''}`
  const flows = (verb: string) => (load: number, cap: number) =>
    `${verb} ${counted(load, 'flow')} over an uplink that takes ${cap}`
  const perNode: Family[] = caps.exclusiveNodes
    ? [{ ...nodes, first: layout.nodeTx, does: tests('is in') }]
    : [
        { ...nodes, first: layout.nodeTx, does: tests('sends') },
        { ...nodes, first: layout.nodeRx, does: tests('receives') },
      ]
  return [
    ...perNode,
    { ...endpoints, first: layout.endpointTx, does: tests('sends') },
    { ...endpoints, first: layout.endpointRx, does: tests('receives') },
    { ...racks, first: layout.rackOut, does: flows('sends') },
    { ...racks, first: layout.rackIn, does: flows('receives') },
  ]
}

const boundOfFamily = (family: Family, model: Model): Bound => {
  let rounds = 0
  let worst = -1
  let loaded = 0
  let tied = 0
  for (let index = 0; index < family.count; index++) {
    const load = model.loads[family.first + index]!
    if (load === 0) continue
    loaded++
    const needed = Math.ceil(load / model.caps[family.first + index]!)
    if (needed > rounds) {
      rounds = needed
      worst = index
      tied = 0
    }
    if (needed === rounds) tied++
  }
  if (worst < 0) return { rounds: 0, bottleneck: '' }
  const who = tied === loaded && loaded > 1 ? family.all : family.name(worst)
  const resource = family.first + worst
  return { rounds, bottleneck: `${who} ${family.does(model.loads[resource]!, model.caps[resource]!)}` }
}

/** With exclusive nodes a round has at most one pair for two nodes, so an odd number of nodes needs one more round. */
const boundOfCouples = (input: PlanInput, nodeCount: number): Bound => {
  const couples = Math.floor(nodeCount / 2)
  const count = input.pairs.sources.length
  if (!input.caps.exclusiveNodes || couples === 0) return { rounds: 0, bottleneck: '' }
  return {
    rounds: Math.ceil(count / couples),
    bottleneck: `${counted(nodeCount, 'node')} make at most ${counted(couples, 'couple')} at a time for ${counted(count, 'test')}`,
  }
}

const boundOfTotal = (input: PlanInput): Bound => {
  const count = input.pairs.sources.length
  const rounds = Math.ceil(count / input.caps.total)
  return { rounds, bottleneck: `${counted(count, 'test')} in total, ${atATime(input.caps.total)}` }
}

/** Returns the largest ceil(load / cap) over interfaces, nodes, uplinks and the total. */
export const lowerBound = (input: PlanInput, model: Model, layout: Layout, nodeCount: number): Bounds => {
  const parts = [
    ...families(input, layout).map((family) => boundOfFamily(family, model)),
    boundOfCouples(input, nodeCount),
  ].reduce((best, next) => (next.rounds > best.rounds ? next : best))
  const total = boundOfTotal(input)
  return { ...(total.rounds > parts.rounds ? total : parts), withoutTotal: parts.rounds }
}
