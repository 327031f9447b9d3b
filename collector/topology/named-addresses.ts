/** A matrix can name addresses of its clients and servers. Then only these are measured, not all of the nodes. */

import { isIP } from 'node:net'
import { namesIn } from '../../lib/host-list.ts'
import { canonicalAddress } from '../../lib/ip-address.ts'
import type { FleetEndpoint } from '../inventory/endpoints.ts'
import type { FleetNode } from '../inventory/node.ts'

/** The addresses to measure, by node. A node that is not in the map is measured on all addresses. */
type AddressesByNode = ReadonlyMap<string, ReadonlySet<string>>

export type NamedAddresses = { clients: AddressesByNode; servers: AddressesByNode }

const ownersOf = (nodes: readonly FleetNode[]): Map<string, string> =>
  new Map(
    nodes.flatMap(({ name, description }) =>
      (description?.interfaces ?? []).flatMap(({ addresses }) =>
        addresses.map((cidr) => [canonicalAddress(cidr.split('/')[0]!), name] as const),
      ),
    ),
  )

/** Returns the addresses that selectors name. A node that another selector names too is measured on all addresses. */
const addressesNamedBy = (
  selectors: readonly string[],
  owners: ReadonlyMap<string, string>,
  selectWhole: (selectors: readonly string[]) => readonly string[],
): AddressesByNode => {
  const named = new Map<string, Set<string>>()
  const others: string[] = []
  const names = selectors.flatMap((selector) => {
    const found = namesIn(selector)
    return 'problem' in found ? [] : found
  })
  for (const name of names) {
    const address = canonicalAddress(name)
    const owner = isIP(name) === 0 ? undefined : owners.get(address)
    if (owner === undefined) others.push(name)
    else named.set(owner, (named.get(owner) ?? new Set()).add(address))
  }
  if (others.length > 0) for (const node of selectWhole(others)) named.delete(node)
  return named
}

/**
 * Returns the addresses that the clients and servers of a matrix name; undefined when they name only nodes.
 * @param selectWhole returns the names of the nodes that selectors match
 */
export const namedAddresses = (
  { clients, servers }: { clients: readonly string[]; servers: readonly string[] },
  nodes: readonly FleetNode[],
  selectWhole: (selectors: readonly string[]) => readonly string[],
): NamedAddresses | undefined => {
  if (![...clients, ...servers].some((selector) => isIP(selector) !== 0 || selector.includes('[')))
    return undefined
  const owners = ownersOf(nodes)
  const named = {
    clients: addressesNamedBy(clients, owners, selectWhole),
    servers: addressesNamedBy(servers, owners, selectWhole),
  }
  return named.clients.size + named.servers.size > 0 ? named : undefined
}

const isNamed = (byNode: AddressesByNode, { node, addresses }: FleetEndpoint): boolean => {
  const wanted = byNode.get(node)
  return !wanted || addresses.some(({ address }) => wanted.has(address))
}

/** The endpoints with only the named addresses, and which pairs of them are measured. */
export const restrictTo = (
  named: NamedAddresses | undefined,
  endpoints: readonly FleetEndpoint[],
): { endpoints: readonly FleetEndpoint[]; isWanted: (source: number, destination: number) => boolean } => {
  if (!named) return { endpoints, isWanted: () => true }
  const wantedOf = (node: string) =>
    [named.clients.get(node), named.servers.get(node)].flatMap((set) => [...(set ?? [])])
  const restricted = endpoints.map((endpoint) => {
    const wanted = new Set(wantedOf(endpoint.node))
    const addresses = endpoint.addresses.filter(({ address }) => wanted.has(address))
    return addresses.length > 0 ? { ...endpoint, addresses } : endpoint
  })
  return {
    endpoints: restricted,
    isWanted: (source, destination) =>
      isNamed(named.clients, endpoints[source]!) && isNamed(named.servers, endpoints[destination]!),
  }
}
