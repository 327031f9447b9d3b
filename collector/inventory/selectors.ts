import { isIP } from 'node:net'
import { closest } from '../../lib/config.ts'
import { hostOf } from '../../lib/credentials.ts'
import type { Violation } from '../../lib/errors.ts'
import type { FleetNode } from './node.ts'

const hasAddress = (node: FleetNode, address: string): boolean =>
  hostOf(node.address) === address ||
  node.address === address ||
  (node.description?.interfaces ?? []).some(({ addresses }) =>
    addresses.some((cidr) => cidr.split('/')[0] === address),
  )

const matches = (node: FleetNode, selector: string): boolean => {
  const equals = selector.indexOf('=')
  if (equals > 0) {
    const key = selector.slice(0, equals)
    const value = selector.slice(equals + 1)
    return key === 'rack' ? node.rack === value : node.labels[key] === value
  }
  return node.name === selector || hasAddress(node, selector)
}

/**
 * Returns the nodes that any selector matches (a name, `key=value`, `rack=value` or an address), in the order of the
 * fleet; all nodes without a selector. A selector that matches none is a violation, so that a typo does not shrink a run.
 */
export const selectNodes = (
  nodes: readonly FleetNode[],
  selectors: readonly string[],
  field: string,
): { nodes: FleetNode[]; violations: Violation[] } => {
  if (selectors.length === 0) return { nodes: [...nodes], violations: [] }
  const chosen = new Set<FleetNode>()
  const violations: Violation[] = []
  for (const [index, selector] of selectors.entries()) {
    const found = nodes.filter((node) => matches(node, selector))
    for (const node of found) chosen.add(node)
    if (found.length > 0) continue
    const suggestion = closest(
      selector,
      nodes.map(({ name }) => name),
    )
    const hint = suggestion
      ? `; did you mean ${suggestion}?`
      : selector.includes('=')
        ? ''
        : `; the fleet has ${nodes.length} nodes`
    const what = isIP(selector) ? 'is the address of no node of the fleet' : 'names no node of the fleet'
    violations.push({ field: `${field}[${index}]`, description: `"${selector}" ${what}${hint}` })
  }
  return { nodes: nodes.filter((node) => chosen.has(node)), violations }
}

/** Whether the agent of a node answers. */
export const isReady = (node: FleetNode): boolean => node.state === 'ready'
