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
import { LabError } from './problems.ts'
import { shapeLines } from './shaping.ts'

/** The measured networks: each host has one interface in each. */
const NETWORKS = ['net0', 'net1'] as const
const MANAGEMENT = 'mgmt'
/** Marks a link in the machine's own namespace as ours, for whoever wonders and for the tear-down. */
export const LINK_ALIAS = 'meshgauge lab'

type LabInterface = { name: string; address: string; address6?: string | undefined }

export type LabNode = {
  name: string
  /** Its network namespace; absent in a loopback fleet. */
  namespace?: string | undefined
  rack: string
  /** Where its agent listens. */
  management: string
  interfaces: LabInterface[]
}

export type LabOptions = {
  /** 2 to 1000. */
  nodes?: number
  /** Nodes are split evenly over racks; more than one rack puts a bridge per rack below a spine. */
  racks?: number
  /** Of each rack's uplink, per network and direction. Not shaped when absent. */
  uplinkBitsPerSecond?: number
  /** Of each interface, per direction. A lab that is slower than the CPU is even; `unlimited` is not. */
  rateBitsPerSecond?: number | 'unlimited'
  /** The lab's number; the first free one when absent. */
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

/** The options with their defaults, or every problem they have. */
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
    problems.push('uplink rate: a lab of one rack has no uplink; ask for two racks or more')
  }
  if (problems.length > 0) throw new LabError(problems)
  return { nodes, racks, uplinkBitsPerSecond, rateBitsPerSecond }
}

export const switchNamespace = (index: number): string => `mg${index}-switch`
export const nodeNamespace = (index: number, node: number): string => `mg${index}-node-${node}`
export const hostLink = (index: number): string => `mg${index}-mgmt`
/** The lab that a namespace belongs to, or undefined for one that is not of a lab. */
export const labOfNamespace = (name: string): number | undefined => {
  const match = /^mg(\d+)-(?:switch|node-\d+)$/.exec(name)
  return match ? Number(match[1]) : undefined
}
/** The switch's port towards a node: `n3.net1` (names of interfaces end at 15 characters). */
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

/** Lines for `ip -batch`, `tc -batch`: the machine's own namespace first, then each namespace on its own. */
export type BuildSteps = {
  machine: string[]
  namespaces: { name: string; ip: string[]; tc: string[] }[]
  /** The machine's end of the management link, once the other end is there. */
  machineLink: string[]
}

// Spanning tree and snooping only delay and swallow packets here: the lab has no loops and no listeners.
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
    // No link-local address: it would come with router solicitations and a second of duplicate detection.
    ip.push(setUp(name), `addr add ${address}/${PREFIX_LENGTH} dev ${name}`)
    ip.push(`addr add ${address6}/${PREFIX_LENGTH_6} dev ${name} nodad`)
  }
  const tc = NETWORKS.flatMap((network) => shapeLines(network, { rate: shape.rateBitsPerSecond }))
  return { name: node.namespace ?? '', ip, tc }
}

/**
 * A link whose ends have the same index (each counted in its own namespace) looks to the kernel like a network card,
 * and it then takes up to a second to say that the link is up. Hence the bridges come first, which leaves the switch's
 * ports higher indexes than any node has, and the machine's link has one out of all reach.
 */
const HOST_END_INDEX = 1_000_000

/** Everything that builds the lab, as data. */
export const buildSteps = (index: number, shape: LabShape, nodes: readonly LabNode[]): BuildSteps => {
  const center = switchNamespace(index)
  const links = nodes.flatMap((node) =>
    [...NETWORKS, MANAGEMENT].map(
      (network) =>
        `link add ${portName(node.name, network)} netns ${center} type veth peer name ${network} netns ${node.namespace}`,
    ),
  )
  const own = hostLink(index)
  return {
    machine: [
      ...[center, ...nodes.map((node) => node.namespace)].map((name) => `netns add ${name}`),
      ...[...NETWORKS, MANAGEMENT].map((name) => addBridge(name, center)),
      ...links,
      `link add ${own} type veth peer name host index ${HOST_END_INDEX} netns ${center}`,
      `link set ${own} alias "${LINK_ALIAS} ${index}"`,
    ],
    namespaces: [
      switchSteps(index, shape, nodes),
      ...nodes.map((node, position) => nodeSteps(index, shape, node, position + 1)),
    ],
    machineLink: [
      `link set ${own} addrgenmode none up`,
      `addr add ${managementGateway(index)}/${PREFIX_LENGTH} dev ${own}`,
      `addr add ${managementGateway6(index)}/${PREFIX_LENGTH_6} dev ${own} nodad`,
    ],
  }
}
