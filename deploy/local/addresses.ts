/**
 * The addresses of a lab, all from 198.18.0.0/15, which RFC 2544 sets aside for benchmarks and nobody routes.
 * Node n ends in n on every network, so that an address seen in a table names its node. The measured networks are
 * closed inside the lab's namespaces and may be the same in every lab; the management network has a leg in the
 * machine's own namespace, so each lab has its own.
 */

/** Room in a /22, less the network, the broadcast and the machine's own address; two digits rounder than that. */
export const MAX_NODES = 1000
/** 198.19.0.0/16 holds this many management networks. */
export const MAX_LABS = 64
export const PREFIX_LENGTH = 22
export const PREFIX_LENGTH_6 = 64

const MEASURED_BASE = address4(198, 18, 0, 0)
const MANAGEMENT_BASE = address4(198, 19, 0, 0)
const SUBNET_SIZE = 2 ** (32 - PREFIX_LENGTH)

function address4(a: number, b: number, c: number, d: number): number {
  return ((a * 256 + b) * 256 + c) * 256 + d
}

const text = (address: number): string => [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.')

const parse = (address: string): number => {
  const [a, b, c, d] = address.split('.').map(Number)
  return address4(a ?? 0, b ?? 0, c ?? 0, d ?? 0)
}

/** Address of node `node` (from 1) on measured network `network` (from 0). */
export const measuredAddress = (network: number, node: number): string =>
  text(MEASURED_BASE + network * SUBNET_SIZE + node)

export const measuredAddress6 = (network: number, node: number): string =>
  `fd00:198:18:${network.toString(16)}::${node.toString(16)}`

export const managementAddress = (lab: number, node: number): string =>
  text(MANAGEMENT_BASE + lab * SUBNET_SIZE + node)

/** The machine's own address on the management network: the last one, out of the nodes' way. */
export const managementGateway = (lab: number): string => text(MANAGEMENT_BASE + (lab + 1) * SUBNET_SIZE - 2)

export const managementAddress6 = (lab: number, node: number): string =>
  `fd00:198:19:${lab.toString(16)}::${node.toString(16)}`

export const managementGateway6 = (lab: number): string => `fd00:198:19:${lab.toString(16)}::ffff`

/** True when `route` (`10.0.0.0/8`, `192.0.2.1`) and the management network of `lab` share an address. */
export const overlapsManagement = (route: string, lab: number): boolean => {
  const [address = '', length = '32'] = route.split('/')
  if (!/^\d+\.\d+\.\d+\.\d+$/.test(address)) return false
  // A VPN's 128.0.0.0/1 is a default route by another name.
  if (Number(length) < 8) return false
  const start = parse(address)
  const end = start + 2 ** (32 - Number(length))
  const own = MANAGEMENT_BASE + lab * SUBNET_SIZE
  return start < own + SUBNET_SIZE && own < end
}

/** A loopback fleet's node: the whole of 127.0.0.0/8 answers on `lo`. */
export const loopbackAddress = (lab: number, node: number): string =>
  text(address4(127, 0, lab, 0) + 10 + node)
