import type { Node } from '#proto/meshgauge/collector/v1/fleet.ts'
import type { Parameters } from './coverage.ts'

export type Target = { node: string; address: string; interface: string }

/** The addresses of other nodes on the interfaces of the same name: what a node can be asked to probe. */
export const peersOf = (node: Node, nodes: readonly Node[]): Target[] =>
  nodes.flatMap((peer) =>
    peer.name === node.name
      ? []
      : node.interfaces.flatMap((name) => {
          if (!peer.interfaces.includes(name)) return []
          const addresses = peer.description?.interfaces.find((link) => link.name === name)?.addresses ?? []
          return addresses
            .slice(0, 1)
            .map((cidr) => ({ node: peer.name, address: cidr.split('/')[0]!, interface: name }))
        }),
  )

/** What a check needs to know of the fleet and the caller did not say. */
const FILLED: Readonly<
  Record<string, { key: string; value(node: Node, nodes: readonly Node[]): unknown } | undefined>
> = {
  ping: { key: 'targets', value: peersOf },
  reachability: {
    key: 'targets',
    value: (node, nodes) => peersOf(node, nodes).map((peer) => `${peer.address}%${peer.interface}`),
  },
  interfaces: { key: 'interfaces', value: (node) => node.interfaces },
}

export const withFleet = (
  check: string,
  node: Node,
  nodes: readonly Node[],
  given: Parameters,
): Record<string, unknown> => {
  const filled = FILLED[check]
  return filled && !(filled.key in given)
    ? { ...given, [filled.key]: filled.value(node, nodes) }
    : { ...given }
}
