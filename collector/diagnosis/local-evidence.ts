/**
 * What the agents report about their own interfaces and what is wrong with it, before any measurement. See `local-verdicts.ts`
 * for what it explains.
 */

import { cidrOf, containsAddress, type IpPrefix } from '../../lib/ip-address.ts'
import { counted, formatBitrate } from '../../lib/units.ts'
import { linkSpeedOf, parseAddresses } from '../inventory/endpoints.ts'
import { interfaceKey, type NodeInterface } from '../inventory/keys.ts'
import type { FleetNode, HostInterface } from '../inventory/node.ts'

/** The problems, the most serious first. */
export const LOCAL_PROBLEMS = [
  'down',
  'duplicate_address',
  'outside_network',
  'prefix_length',
  'shared_network',
  'mtu',
  'duplex',
  'speed',
] as const

export type LocalProblem = (typeof LOCAL_PROBLEMS)[number]

/** One problem of one interface, or of two interfaces of a node that are in one network. */
export type LocalEvidence = {
  readonly problem: LocalProblem
  readonly node: string
  readonly interfaces: readonly string[]
  /** `h2 net1 has MTU 1500, its 7 peers 9000`: without a full stop. */
  readonly text: string
  /** For `mtu`, the largest packet that passes between the interface and its peers. */
  readonly maxBytes?: number
}

type LocalInterface = NodeInterface & {
  readonly link: HostInterface
  readonly addresses: readonly IpPrefix[]
  /** Whether tests use it. */
  readonly isUsed: boolean
}

/** Fewer peers that agree do not show which network is the right one. */
const MIN_AGREEING = 2

/** Most interfaces with the same address that a text names. */
const MAX_NAMED = 3

const nameOf = ({ node, interface: name }: NodeInterface): string => `${node} ${name}`

const peersText = (count: number): string => (count === 1 ? 'its peer' : `its ${counted(count, 'peer')}`)

const has = (count: number): string => (count === 1 ? 'has' : 'have')

const isLinkLocal6 = ({ family, words }: IpPrefix): boolean =>
  family === 6 && (words[0] ?? 0) >>> 22 === 0xfe80 >>> 6

/** Whether an address says nothing about the network of an interface: link-local, loopback, or without a network. */
const isOfNoNetwork = (address: IpPrefix): boolean => {
  const { family, words, prefixLength } = address
  const [first = 0] = words
  if (family === 4) return prefixLength >= 31 || first >>> 24 === 127 || first >>> 16 === 0xa9fe
  return prefixLength >= 127 || isLinkLocal6(address)
}

const isSameNetwork = (one: IpPrefix, other: IpPrefix): boolean =>
  containsAddress(one, other) && containsAddress(other, one)

const interfacesOf = (node: FleetNode, names: ReadonlySet<string>): LocalInterface[] =>
  node.state !== 'ready' || !node.description
    ? []
    : node.description.interfaces.map((link) => ({
        node: node.name,
        interface: link.name,
        link,
        addresses: parseAddresses(link.addresses).filter((address) => !isOfNoNetwork(address)),
        isUsed: names.has(link.name) && node.interfaces.includes(link.name),
      }))

type Value = { readonly value: number; readonly count: number }

/** Returns the value of more than half of the interfaces; of two that differ, the larger one. */
const usualValue = (values: readonly number[]): Value | undefined => {
  const groups = [...Map.groupBy(values, (value) => value)]
    .map(([value, { length }]) => ({ value, count: length }))
    .sort((one, other) => other.count - one.count || other.value - one.value)
  const [usual] = groups
  return usual && (2 * usual.count > values.length || values.length === 2) ? usual : undefined
}

/** Returns the interfaces whose figure is not the usual one of their peers, with that one. */
const unlikePeers = (
  peers: readonly LocalInterface[],
  figureOf: (link: HostInterface) => number | undefined,
): { own: LocalInterface; value: number; usual: Value }[] => {
  const known = peers.flatMap((own) => {
    const value = figureOf(own.link)
    return value === undefined || value <= 0 ? [] : [{ own, value }]
  })
  const usual = usualValue(known.map(({ value }) => value))
  if (!usual) return []
  return known.flatMap((each) => (each.value === usual.value ? [] : [{ ...each, usual }]))
}

const found = (
  problem: LocalProblem,
  { node, interface: name }: NodeInterface,
  text: string,
  maxBytes?: number,
): LocalEvidence => ({
  problem,
  node,
  interfaces: [name],
  text,
  ...(maxBytes === undefined ? {} : { maxBytes }),
})

const findDown = (peers: readonly LocalInterface[]): LocalEvidence[] =>
  peers.flatMap((own) => (own.link.state === 'down' ? [found('down', own, `${nameOf(own)} is down`)] : []))

const findMtus = (peers: readonly LocalInterface[]): LocalEvidence[] =>
  unlikePeers(peers, ({ mtuBytes }) => mtuBytes).map(({ own, value, usual }) => {
    const text = `${nameOf(own)} has MTU ${value}, ${peersText(usual.count)} ${usual.value}`
    return found('mtu', own, text, Math.min(value, usual.value))
  })

const findSpeeds = (peers: readonly LocalInterface[]): LocalEvidence[] =>
  unlikePeers(peers, linkSpeedOf).flatMap(({ own, value, usual }) => {
    if (value > usual.value) return []
    const text = `${nameOf(own)} has link speed ${formatBitrate(value)}, ${peersText(usual.count)} ${formatBitrate(usual.value)}`
    return [found('speed', own, text)]
  })

const DUPLEX: Record<string, number> = { half: 1, full: 2 }

const findDuplex = (peers: readonly LocalInterface[]): LocalEvidence[] =>
  unlikePeers(peers, ({ duplex }) => DUPLEX[duplex]).flatMap(({ own, value, usual }) =>
    value === DUPLEX.half
      ? [
          found(
            'duplex',
            own,
            `${nameOf(own)} is half duplex, ${peersText(usual.count)} ${usual.count === 1 ? 'is' : 'are'} full duplex`,
          ),
        ]
      : [],
  )

/** The first address of a network, with the prefix length. */
const networkText = ({ family, words, prefixLength }: IpPrefix): string => {
  const masked = words.map((word, index) => {
    const bits = Math.min(32, Math.max(0, prefixLength - index * 32))
    return bits === 0 ? 0 : (word & (-1 << (32 - bits))) >>> 0
  })
  if (family === 4) {
    const [word = 0] = masked
    return `${[24, 16, 8, 0].map((shift) => (word >>> shift) & 255).join('.')}/${prefixLength}`
  }
  const groups = masked.flatMap((word) => [word >>> 16, word & 0xffff]).map((group) => group.toString(16))
  return `${new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)}/${prefixLength}`
}

/** Returns the network in which more than half of the nodes have an address, with their number. */
const usualNetwork = (
  all: readonly { own: LocalInterface; address: IpPrefix; network: string }[],
): { network: string; address: IpPrefix; count: number } | undefined => {
  const nodes = new Set(all.map(({ own }) => own.node)).size
  const [most] = [...Map.groupBy(all, (each) => each.network)]
    .map(([network, members]) => ({
      network,
      address: members[0]!.address,
      count: new Set(members.map(({ own }) => own.node)).size,
    }))
    .sort((one, other) => other.count - one.count)
  return most && most.count >= MIN_AGREEING && 2 * most.count > nodes ? most : undefined
}

/** Finds addresses of one family outside the network of the peers, and those with another prefix length. */
const findNetworks = (peers: readonly LocalInterface[], family: 4 | 6): LocalEvidence[] => {
  const all = peers.flatMap((own) =>
    own.addresses.flatMap((address) =>
      address.family === family ? [{ own, address, network: networkText(address) }] : [],
    ),
  )
  const usual = usualNetwork(all)
  if (!usual) return []
  const { network, address: inNetwork, count } = usual
  const members = Map.groupBy(all, (each) => each.network)
  return [...Map.groupBy(all, ({ own }) => own)].flatMap(([own, addresses]) => {
    if (addresses.some((each) => each.network === network)) return []
    const inside = addresses.find(({ address }) => containsAddress(inNetwork, address))
    if (inside) {
      const text = `${nameOf(own)} has ${cidrOf(inside.address)}, ${peersText(count)} ${has(count)} prefix length ${inNetwork.prefixLength}`
      return [found('prefix_length', own, text)]
    }
    // A rack with a network of its own is no mistake.
    if (addresses.some((each) => members.get(each.network)!.some((other) => other.own !== own))) return []
    const list = addresses.map(({ address }) => cidrOf(address)).join(' and ')
    const text = `${nameOf(own)} has ${list}, outside ${network}, the network of ${peersText(count)}`
    return [found('outside_network', own, text)]
  })
}

/** Finds two interfaces of a node in one network: the kernel answers for both on either of them (ARP flux). */
const findSharedNetworks = (own: readonly LocalInterface[]): LocalEvidence[] =>
  own.flatMap((first, index) =>
    own.slice(index + 1).flatMap((second): LocalEvidence[] => {
      if (!first.isUsed && !second.isUsed) return []
      if (first.link.state === 'down' || second.link.state === 'down') return []
      const shared = first.addresses.find((address) =>
        second.addresses.some((other) => isSameNetwork(address, other)),
      )
      if (!shared) return []
      const names = [first.interface, second.interface]
      const text = `${own[0]!.node} has ${names.join(' and ')} in one network, ${networkText(shared)}: each answers for the other`
      return [{ problem: 'shared_network', node: first.node, interfaces: names, text }]
    }),
  )

const findDuplicates = (all: readonly LocalInterface[]): LocalEvidence[] => {
  const held = all.flatMap((own) => parseAddresses(own.link.addresses).map((address) => ({ own, address })))
  const holders = Map.groupBy(
    held.filter(({ address }) => !isLinkLocal6(address)),
    ({ address }) => address.address,
  )
  return [...holders].flatMap(([address, owners]) =>
    owners.flatMap(({ own }) => {
      const others = owners.filter((other) => other.own !== own)
      if (others.length === 0) return []
      const named = others.slice(0, MAX_NAMED).map((other) => nameOf(other.own))
      if (others.length > MAX_NAMED) named.push(`${others.length - MAX_NAMED} more`)
      const text = `${nameOf(own)} has ${address}, which ${named.join(' and ')} ${has(others.length)} too`
      return [found('duplicate_address', own, text)]
    }),
  )
}

/**
 * Returns what is wrong with the interfaces of these names, as their agents report it. The peers of an interface are the
 * interfaces of the same name on the other nodes.
 */
export const findLocalEvidence = (
  nodes: readonly FleetNode[],
  names: Iterable<string>,
): readonly LocalEvidence[] => {
  const wanted = new Set(names)
  const byNode = nodes.map((node) => interfacesOf(node, wanted))
  const used = byNode.flat().filter(({ isUsed }) => isUsed)
  const evidence = [...Map.groupBy(used, (own) => own.interface).values()].flatMap((peers) => [
    ...findDown(peers),
    ...findNetworks(peers, 4),
    ...findNetworks(peers, 6),
    ...findMtus(peers),
    ...findDuplex(peers),
    ...findSpeeds(peers),
  ])
  evidence.push(...findDuplicates(used), ...byNode.flatMap(findSharedNetworks))
  return evidence.sort(
    (one, other) => LOCAL_PROBLEMS.indexOf(one.problem) - LOCAL_PROBLEMS.indexOf(other.problem),
  )
}

/** Whether evidence is about an interface; an empty name selects all interfaces of the node. */
export const concerns = ({ node, interfaces }: LocalEvidence, about: NodeInterface): boolean =>
  node === about.node && (about.interface === '' || interfaces.includes(about.interface))

/** The keys of the interfaces that evidence is about. */
export const keysOf = ({ node, interfaces }: LocalEvidence): string[] =>
  interfaces.map((name) => interfaceKey({ node, interface: name }))
