import { isIP } from 'node:net'
import { closest } from '../../lib/config.ts'
import { hostOf } from '../../lib/credentials.ts'
import type { Violation } from '../../lib/errors.ts'
import { namesIn } from '../../lib/host-list.ts'
import { canonicalAddress } from '../../lib/ip-address.ts'
import { nameKey } from './agent-address.ts'
import type { FleetNode } from './node.ts'

/** Unknown entries of one selector that are named in its violation. */
const MAX_UNKNOWN = 10

/** The addresses of a node: those of its interfaces, and the one of its agent with and without the port. */
const addressesOf = (node: FleetNode): string[] => [
  node.address,
  canonicalAddress(hostOf(node.address)),
  ...(node.description?.interfaces ?? []).flatMap(({ addresses }) =>
    addresses.map((cidr) => canonicalAddress(cidr.split('/')[0]!)),
  ),
]

/** Finds nodes by name, label or address. The index of the addresses is made when one is asked for. */
const createFinder = (nodes: readonly FleetNode[]) => {
  const byName = new Map(nodes.map((node) => [nameKey(node.name), node]))
  let byAddress: Map<string, Set<FleetNode>> | undefined
  const indexAddresses = () => {
    const index = new Map<string, Set<FleetNode>>()
    for (const node of nodes)
      for (const address of addressesOf(node)) {
        const holders = index.get(address) ?? new Set()
        index.set(address, holders.add(node))
      }
    return index
  }
  const withAddress = (address: string): FleetNode[] => {
    byAddress ??= indexAddresses()
    return [...(byAddress.get(address) ?? [])]
  }
  return (selector: string): FleetNode[] => {
    const equals = selector.indexOf('=')
    if (equals > 0) {
      const [key, value] = [selector.slice(0, equals), selector.slice(equals + 1)]
      return nodes.filter((node) => (key === 'rack' ? node.rack : node.labels[key]) === value)
    }
    const named = byName.get(nameKey(selector))
    return named ? [named] : withAddress(canonicalAddress(selector))
  }
}

const unknownDescription = (unknown: readonly string[], nodes: readonly FleetNode[]): string => {
  const [selector = ''] = unknown
  const meant = closest(
    selector,
    nodes.map(({ name }) => name),
  )
  const hint = meant
    ? `; did you mean ${meant}?`
    : selector.includes('=')
      ? ''
      : `; the fleet has ${nodes.length} nodes`
  if (unknown.length === 1) {
    const what = isIP(selector) ? 'is the address of no node of the fleet' : 'names no node of the fleet'
    return `"${selector}" ${what}${hint}`
  }
  const shown = unknown.slice(0, MAX_UNKNOWN).join(', ')
  const more = unknown.length > MAX_UNKNOWN ? ` and ${unknown.length - MAX_UNKNOWN} more` : ''
  return `${shown}${more} name no nodes of the fleet${hint}`
}

/**
 * Returns the nodes that any selector matches (a name, a compressed list of Slurm, `key=value`, `rack=value` or an
 * address), in the order of the fleet; all nodes without a selector. A selector that matches none is a violation, so that
 * a typo does not shrink a run.
 */
export const selectNodes = (
  nodes: readonly FleetNode[],
  selectors: readonly string[],
  field: string,
): { nodes: FleetNode[]; violations: Violation[] } => {
  if (selectors.length === 0) return { nodes: [...nodes], violations: [] }
  const find = createFinder(nodes)
  const chosen = new Set<FleetNode>()
  const violations: Violation[] = []
  for (const [index, selector] of selectors.entries()) {
    const violation = (description: string) => violations.push({ field: `${field}[${index}]`, description })
    const names = namesIn(selector)
    if ('problem' in names) {
      violation(names.problem)
      continue
    }
    const unknown = names.filter((name) => {
      const found = find(name)
      for (const node of found) chosen.add(node)
      return found.length === 0
    })
    if (unknown.length > 0) violation(unknownDescription(unknown, nodes))
  }
  return { nodes: nodes.filter((node) => chosen.has(node)), violations }
}

/** Whether the agent of a node answers. */
export const isReady = (node: FleetNode): boolean => node.state === 'ready'
