import {
  MAX_NODES,
  managementAddress,
  managementAddress6,
  managementGateway,
  managementGateway6,
  measuredAddress,
  measuredAddress6,
  PREFIX_LENGTH,
  PREFIX_LENGTH_6,
} from './addresses.ts'
import { LabError } from './lab-error.ts'
import { shapeLines } from './shaping.ts'

/** The measured networks. Each host has one interface in each network. */
const NETWORKS = ['net0', 'net1'] as const
const MANAGEMENT = 'mgmt'
/** Alias of the management link in the machine's own namespace. The tear-down deletes only links with this alias. */
export const LINK_ALIAS = 'meshgauge lab'

type LabInterface = { name: string; address: string; address6?: string | undefined }

export type LabNode = {
  name: string
  /** Its network namespace; absent in a loopback fleet. */
  namespace?: string | undefined
  rack: string
  /** Address on the management network, on which its agent listens. */
  management: string
  interfaces: LabInterface[]
}

export type LabOptions = {
  /** 2 to 1000, default 6. */
  nodes?: number
  /** Nodes are spread evenly over racks (default 1). With several racks, each has a bridge that connects to a spine bridge. */
  racks?: number
  /** Rate of each rack's uplink, per network and direction. Default unlimited. */
  uplinkBitsPerSecond?: number
  /** Rate of each interface and direction, default 1 Gbit/s. With `unlimited` the CPU limits, so rates vary. */
  rateBitsPerSecond?: number | 'unlimited'
  /** The lab's number. Default: the first free one. */
  index?: number
}

export type LabShape = {
  nodes: number
  racks: number
  uplinkBitsPerSecond: number | 'unlimited'
  rateBitsPerSecond: number | 'unlimited'
}

const isRate = (value: number | 'unlimited'): boolean =>
  value === 'unlimited' || (Number.isFinite(value) && value >= 8000)

/** The options with defaults filled in. Throws a LabError with every problem. */
export const labShape = (options: LabOptions): LabShape => {
  const { nodes = 6, racks = 1, uplinkBitsPerSecond = 'unlimited', rateBitsPerSecond = 1e9 } = options
  const problems: string[] = []
  if (!Number.isInteger(nodes) || nodes < 2 || nodes > MAX_NODES) {
    problems.push(`nodes: ${nodes} is not a whole number from 2 to ${MAX_NODES}`)
  }
  if (!Number.isInteger(racks) || racks < 1 || racks > Math.max(1, nodes)) {
    problems.push(`racks: ${racks} is not a whole number from 1 to the number of nodes (${nodes})`)
  }
  if (!isRate(rateBitsPerSecond)) problems.push(`rate: ${rateBitsPerSecond} bit/s is below 8 kbit/s`)
  if (!isRate(uplinkBitsPerSecond))
    problems.push(`uplink rate: ${uplinkBitsPerSecond} bit/s is below 8 kbit/s`)
  if (racks === 1 && options.uplinkBitsPerSecond !== undefined) {
    problems.push('uplink rate: a lab with one rack has no uplink; use two racks or more')
  }
  if (problems.length > 0) throw new LabError(problems)
  return { nodes, racks, uplinkBitsPerSecond, rateBitsPerSecond }
}

export const switchNamespace = (index: number): string => `mg${index}-switch`
export const nodeNamespace = (index: number, node: number): string => `mg${index}-node-${node}`
export const hostLink = (index: number): string => `mg${index}-mgmt`
/** The number of the lab that a namespace belongs to; undefined when it belongs to none. */
export const labOfNamespace = (name: string): number | undefined => {
  const match = /^mg(\d+)-(?:switch|node-\d+)$/.exec(name)
  return match ? Number(match[1]) : undefined
}
/** The switch's port towards a node, such as `n3.net1` (Linux limits interface names to 15 characters). */
export const portName = (node: string, network: string): string => `n${node.slice('node-'.length)}.${network}`

export const labNodes = (index: number, shape: LabShape): LabNode[] =>
  Array.from({ length: shape.nodes }, (_, position) => {
    const number = position + 1
    return {
      name: `node-${number}`,
      namespace: nodeNamespace(index, number),
      rack: `rack-${Math.floor((position * shape.racks) / shape.nodes) + 1}`,
      management: managementAddress(index, number),
      interfaces: NETWORKS.map((name, network) => ({
        name,
        address: measuredAddress(network, number),
        address6: measuredAddress6(network, number),
      })),
    }
  })

/** Lines for `ip -batch` and `tc -batch`, in the order of execution. The namespaces are independent of each other. */
export type BuildSteps = {
  machine: string[]
  namespaces: { name: string; ip: string[]; tc: string[] }[]
  /** Configures the machine's end of the management link, after the other end is up. */
  machineLink: string[]
}

// Without spanning tree and multicast snooping, which would delay and drop packets: the lab has no loops.
const addBridge = (name: string, namespace?: string): string =>
  `link add ${name}${namespace ? ` netns ${namespace}` : ''} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`

const setUp = (name: string): string => `link set ${name} addrgenmode none up`

const port = (name: string, master: string): string => `link set ${name} master ${master} addrgenmode none up`

const rackBridge = (rack: string, network: string): string => `r${rack.slice('rack-'.length)}.${network}`

/** The rack's port towards the spine. */
export const uplinkPort = (rack: string, network: string): string => `${rackBridge(rack, network)}.up`

const switchSteps = (index: number, shape: LabShape, nodes: readonly LabNode[]) => {
  const ip = ['link set lo up', ...[...NETWORKS, MANAGEMENT].map(setUp)]
  const tc: string[] = []
  const racks = shape.racks > 1 ? [...new Set(nodes.map((node) => node.rack))] : []
  for (const network of NETWORKS) {
    for (const rack of racks) {
      const name = rackBridge(rack, network)
      ip.push(addBridge(name), setUp(name), `link add ${name}.up type veth peer name ${name}.down`)
      ip.push(port(`${name}.up`, name), port(`${name}.down`, network))
      for (const end of ['up', 'down'])
        tc.push(...shapeLines(`${name}.${end}`, { rate: shape.uplinkBitsPerSecond }))
    }
  }
  for (const node of nodes) {
    ip.push(port(portName(node.name, MANAGEMENT), MANAGEMENT))
    for (const network of NETWORKS) {
      const name = portName(node.name, network)
      ip.push(port(name, racks.length > 0 ? rackBridge(node.rack, network) : network))
      tc.push(...shapeLines(name, { rate: shape.rateBitsPerSecond }))
    }
  }
  ip.push(port('host', MANAGEMENT))
  return { name: switchNamespace(index), ip, tc }
}

const nodeSteps = (index: number, shape: LabShape, node: LabNode, number: number) => {
  const addresses = [
    ...node.interfaces,
    { name: MANAGEMENT, address: node.management, address6: managementAddress6(index, number) },
  ]
  const ip = ['link set lo up']
  for (const { name, address, address6 } of addresses) {
    // No link-local address: it would cause router solicitations and a second of duplicate address detection.
    ip.push(setUp(name), `addr add ${address}/${PREFIX_LENGTH} dev ${name}`)
    ip.push(`addr add ${address6}/${PREFIX_LENGTH_6} dev ${name} nodad`)
  }
  const tc = NETWORKS.flatMap((network) => shapeLines(network, { rate: shape.rateBitsPerSecond }))
  return { name: node.namespace ?? '', ip, tc }
}

/**
 * Interface index of the switch's end of the management link. When both ends of a veth link have the same index (each
 * namespace counts separately), the kernel treats it like a network card and takes up to a second to report the link as
 * up. So this index is larger than any other, and bridges are created first, which gives the switch's ports larger
 * indexes than the nodes' interfaces.
 */
const SWITCH_END_INDEX = 1_000_000

/** All commands that build the lab. */
export const buildSteps = (index: number, shape: LabShape, nodes: readonly LabNode[]): BuildSteps => {
  const switchName = switchNamespace(index)
  const links = nodes.flatMap((node) =>
    [...NETWORKS, MANAGEMENT].map(
      (network) =>
        `link add ${portName(node.name, network)} netns ${switchName} type veth peer name ${network} netns ${node.namespace}`,
    ),
  )
  const link = hostLink(index)
  return {
    machine: [
      ...[switchName, ...nodes.map((node) => node.namespace)].map((name) => `netns add ${name}`),
      ...[...NETWORKS, MANAGEMENT].map((name) => addBridge(name, switchName)),
      ...links,
      `link add ${link} type veth peer name host index ${SWITCH_END_INDEX} netns ${switchName}`,
      `link set ${link} alias "${LINK_ALIAS} ${index}"`,
    ],
    namespaces: [
      switchSteps(index, shape, nodes),
      ...nodes.map((node, position) => nodeSteps(index, shape, node, position + 1)),
    ],
    machineLink: [
      `link set ${link} addrgenmode none up`,
      `addr add ${managementGateway(index)}/${PREFIX_LENGTH} dev ${link}`,
      `addr add ${managementGateway6(index)}/${PREFIX_LENGTH_6} dev ${link} nodad`,
    ],
  }
}
