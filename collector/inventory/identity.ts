import { hostOf } from '../../lib/credentials.ts'
import { addressKey, nameKey } from './agent-address.ts'
import type { InventoryNode } from './config.ts'
import type { NodeDescription } from './node.ts'

/** Whether two names are equal, or one is the other without its domain. */
const isSameHost = (one: string, other: string): boolean => {
  const [a, b] = [nameKey(one), nameKey(other)]
  if (a === b) return true
  const [shortA, shortB] = [a.split('.')[0], b.split('.')[0]]
  return shortA === shortB && (shortA === a || shortB === b)
}

/** Whether the inventory says no more than where the agent is, as a list of hosts does. */
const isNamedByAddress = ({ name, address }: InventoryNode): boolean =>
  [nameKey(hostOf(address)), addressKey(address)].includes(nameKey(name))

/**
 * Returns why the agent at the address of a node is not the agent of that node; empty when it is, or when nothing
 * contradicts it. The name of an agent is the host name unless the operator has configured it, so that a host name alone
 * proves nothing.
 * @param nodeNamed returns the node of the inventory that has a name
 */
export const identityProblem = (
  node: InventoryNode,
  {
    node: reported,
    hostname,
    isNameConfigured,
  }: Pick<NodeDescription, 'node' | 'hostname' | 'isNameConfigured'>,
  nodeNamed: (name: string) => string | undefined,
): string => {
  const isOwn = reported === '' || isSameHost(node.name, reported)
  if (isOwn || (!isNameConfigured && isSameHost(node.name, hostname))) return ''
  const other = nodeNamed(reported)
  const isOther = other !== undefined && other !== node.name
  if (!isOther && (!isNameConfigured || isNamedByAddress(node))) return ''
  const host = hostname && !isSameHost(hostname, reported) ? ` on host ${hostname}` : ''
  return `the agent at ${node.address} is that of ${reported}${host}, not of ${node.name}; correct the address, or start the agent with --node ${node.name}`
}
