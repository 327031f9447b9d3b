/** Classes of nodes: interfaces of one fabric that reach the same rate because they are of the same kind. */

import { median, quantileOf } from '../../lib/statistics.ts'
import { abilitiesOf, rateOf } from './levels.ts'
import type { Sample } from './samples.ts'
import type { Parameters } from './thresholds.ts'

/** Nodes that reach the same rate. */
export type NodeClass = {
  readonly nodes: ReadonlySet<string>
  /** The link speed that all of them report, when it distinguishes the classes. */
  readonly speed: number | undefined
}

/** Nodes of a class without reported speeds: fewer are single culprits. */
const MIN_NODES = 3
/** Nodes of a class that report the same speed. One node alone has a wrong speed. */
const MIN_NODES_OF_SPEED = 2
/** The lowest and the highest rate of a class, and what a node sends and receives, are at least this similar. */
const ALIKE_RATIO = 0.85

/** A class is slow in both directions. Some of its nodes may have a fault in one of them besides. */
const MIN_SYMMETRIC = 2

type NodeRate = { readonly node: string; readonly rate: number; readonly isSymmetric: boolean }

/** Returns what each node reaches, inside its rack if it reaches more there: an uplink is not a property of a node. */
const ratesOf = (fabric: readonly Sample[], { abilityQuantile }: Parameters): NodeRate[] => {
  const groups = [fabric, fabric.filter(({ reach }) => reach === 'inside')].map((samples) =>
    abilitiesOf(samples, rateOf, abilityQuantile),
  )
  const best = (direction: 'tx' | 'rx', node: string): number =>
    Math.max(...groups.map((abilities) => abilities[direction].get(node) ?? 0))
  const nodes = new Set(groups.flatMap(({ tx, rx }) => [...tx.keys(), ...rx.keys()]))
  return [...nodes].map((node) => {
    const [sends, receives] = [best('tx', node), best('rx', node)]
    const rate = Math.max(sends, receives)
    return { node, rate, isSymmetric: Math.min(sends, receives) >= ALIKE_RATIO * rate }
  })
}

const speedsOf = (fabric: readonly Sample[]): Map<string, number> => {
  const speeds = new Map<string, number>()
  for (const { source, destination, sourceSpeed, destinationSpeed } of fabric) {
    if (sourceSpeed !== undefined) speeds.set(source, sourceSpeed)
    if (destinationSpeed !== undefined) speeds.set(destination, destinationSpeed)
  }
  return speeds
}

type Group = readonly NodeRate[]

const ratesIn = (group: Group): number[] => group.map(({ rate }) => rate)

/**
 * Returns the classes of groups that are sorted by rate. A group that is too small to be a class belongs to the next
 * faster one, with which its nodes are then compared.
 */
const mergeSmall = (
  groups: readonly { readonly members: Group; readonly speed: number | undefined }[],
  isClass: (members: Group) => boolean,
): NodeClass[] => {
  const classes: { nodes: Set<string>; speed: number | undefined }[] = []
  for (const { members, speed } of groups) {
    const nodes = members.map(({ node }) => node)
    if (classes.length === 0 || isClass(members)) classes.push({ nodes: new Set(nodes), speed })
    else for (const node of nodes) classes.at(-1)!.nodes.add(node)
  }
  return classes
}

/** Returns the classes by reported speed; undefined where the speeds are unknown or all the same. */
const classesBySpeed = (rates: Group, speeds: ReadonlyMap<string, number>): NodeClass[] | undefined => {
  if (rates.some(({ node }) => !speeds.has(node))) return undefined
  const groups = [...Map.groupBy(rates, ({ node }) => speeds.get(node)!)]
    .map(([speed, members]) => ({ members, speed, rate: median(ratesIn(members))! }))
    .sort((one, other) => other.rate - one.rate)
  const classes = mergeSmall(groups, ({ length }) => length >= MIN_NODES_OF_SPEED)
  return classes.length < 2 ? undefined : classes
}

/** Whether the middle half of a group is at one level. */
const isOneLevel = (group: Group): boolean =>
  quantileOf(ratesIn(group), 0.25)! >= ALIKE_RATIO * quantileOf(ratesIn(group), 0.75)!

const isAlike = (group: Group): boolean =>
  Math.min(...ratesIn(group)) >= ALIKE_RATIO * Math.max(...ratesIn(group))

/** Returns the classes by rate: groups of nodes at nearly the same level, far from each other. */
const classesByRate = (rates: Group, { slowRatio }: Parameters): NodeClass[] => {
  const sorted = [...rates].sort((one, other) => other.rate - one.rate)
  const groups: NodeRate[][] = []
  for (const each of sorted) {
    const last = groups.at(-1)
    if (last && each.rate >= slowRatio * last.at(-1)!.rate) last.push(each)
    else groups.push([each])
  }
  // One node alone cannot be faster than all others: a pair reaches what the slower end reaches.
  if (groups.length > 1 && groups[0]!.length === 1) groups[1]!.unshift(...groups.shift()!)
  const isClass = (members: Group): boolean =>
    members.length >= MIN_NODES &&
    isAlike(members) &&
    members.filter(({ isSymmetric }) => isSymmetric).length >= MIN_SYMMETRIC
  const found = groups.map((members) => ({ members, speed: undefined }))
  // Without one level among the fastest nodes there is nothing that a class could be slower than.
  return mergeSmall(found, (members) => isOneLevel(groups[0]!) && isClass(members))
}

/**
 * Returns the classes of a fabric, the fastest first. One class holds all nodes when they do not differ. A class has its own
 * reported speed or, where that is not conclusive, its own rate that its nodes send and receive.
 */
export const findClasses = (fabric: readonly Sample[], parameters: Parameters): readonly NodeClass[] => {
  const rates = ratesOf(fabric, parameters).filter(({ rate }) => rate > 0)
  if (!parameters.findsClasses) return [{ nodes: new Set(rates.map(({ node }) => node)), speed: undefined }]
  return classesBySpeed(rates, speedsOf(fabric)) ?? classesByRate(rates, parameters)
}
