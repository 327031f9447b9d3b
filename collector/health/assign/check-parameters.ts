import { chooseAddressPair, type IpPrefix } from '../../../lib/ip-address.ts'
import { parseAddresses } from '../../inventory/endpoints.ts'
import type { FleetNode } from '../../inventory/node.ts'

/** The parameters of a check, as a google.protobuf.Struct. */
export type CheckParameters = Readonly<Record<string, unknown>>

/** An address that a node can probe. */
export type Target = { node: string; address: string; interface: string }

const addressesOn = (node: FleetNode, name: string): IpPrefix[] =>
  parseAddresses(node.description?.interfaces.find((link) => link.name === name)?.addresses ?? [])

/** The addresses of the other nodes, on the interfaces that a node has too. */
export const peersOf = (node: FleetNode, nodes: readonly FleetNode[]): Target[] =>
  nodes.flatMap((peer) =>
    peer.name === node.name
      ? []
      : node.interfaces.flatMap((name) => {
          if (!peer.interfaces.includes(name)) return []
          const addresses = addressesOn(peer, name)
          // A node whose interface has lost its addresses still probes the peers, so that the check shows it.
          const chosen = chooseAddressPair(addressesOn(node, name), addresses)?.destination ?? addresses[0]
          return chosen ? [{ node: peer.name, address: chosen.address, interface: name }] : []
        }),
  )

/** Parameters that the collector fills in from the fleet when the caller has not given them. */
const FILLED_IN: Readonly<
  Record<string, { key: string; value(node: FleetNode, nodes: readonly FleetNode[]): unknown } | undefined>
> = {
  ping: { key: 'targets', value: peersOf },
  reachability: {
    key: 'targets',
    value: (node, nodes) => peersOf(node, nodes).map((peer) => `${peer.address}%${peer.interface}`),
  },
  interfaces: { key: 'interfaces', value: (node) => node.interfaces },
}

export const withFleetParameters = (
  check: string,
  node: FleetNode,
  nodes: readonly FleetNode[],
  given: CheckParameters,
): Record<string, unknown> => {
  const filled = FILLED_IN[check]
  return filled && !(filled.key in given)
    ? { ...given, [filled.key]: filled.value(node, nodes) }
    : { ...given }
}

/** Parameters that control when and for how long a check runs, not what it examines. */
export const EXECUTION_PARAMETERS: ReadonlySet<string> = new Set(['force', 'timeout'])

/** The same text for equal JSON values, independent of the order of keys. */
export const canonicalJson = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${canonicalJson(inner)}`).join(',')}}`
}

/** The parameters as text, such as ` with level=3 interfaces=["net0"]`; empty when there is none to show. */
export const describeParameters = (parameters: CheckParameters): string => {
  const texts = Object.entries(parameters)
    .filter(([key, value]) => value !== undefined && !EXECUTION_PARAMETERS.has(key))
    .map(([key, value]) => {
      const text = canonicalJson(value)
      return `${key}=${text.length > 80 ? `${text.slice(0, 77)}...` : text}`
    })
  return texts.length > 0 ? ` with ${texts.join(' ')}` : ''
}
