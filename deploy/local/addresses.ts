/**
 * The addresses of a lab. All are from 198.18.0.0/15, which RFC 2544 reserves for benchmarks, so no host on the
 * internet has one. The last part of an address is the number of its node, on every network. The measured networks
 * exist only inside the lab's namespaces, so every lab uses the same ones. The management network has an interface in
 * the machine's own namespace, so each lab has a different one.
 */

/** A /22 network has 1,021 addresses for nodes (without network, broadcast and gateway); rounded down. */
export const MAX_NODES = 1000
/** Number of /22 management networks in 198.19.0.0/16. */
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

/** IPv6 address of node `node` (from 1) on measured network `network` (from 0). */
export const measuredAddress6 = (network: number, node: number): string =>
  `fd00:198:18:${network.toString(16)}::${node.toString(16)}`

/** Address of node `node` (from 1) on the management network of lab `lab` (from 0). */
export const managementAddress = (lab: number, node: number): string =>
  text(MANAGEMENT_BASE + lab * SUBNET_SIZE + node)

/** The machine's own address on the management network: the last host address, which no node has. */
export const managementGateway = (lab: number): string => text(MANAGEMENT_BASE + (lab + 1) * SUBNET_SIZE - 2)

export const managementAddress6 = (lab: number, node: number): string =>
  `fd00:198:19:${lab.toString(16)}::${node.toString(16)}`

export const managementGateway6 = (lab: number): string => `fd00:198:19:${lab.toString(16)}::ffff`

/** True when `route` (`10.0.0.0/8`, `192.0.2.1`) and the management network of `lab` share an address. */
export const overlapsManagement = (route: string, lab: number): boolean => {
  const [address = '', length = '32'] = route.split('/')
  if (!/^\d+\.\d+\.\d+\.\d+$/.test(address)) return false
  // A VPN often replaces the default route by 0.0.0.0/1 and 128.0.0.0/1. These do not mean that the address is used.
  if (Number(length) < 8) return false
  const start = parse(address)
  const end = start + 2 ** (32 - Number(length))
  const subnetStart = MANAGEMENT_BASE + lab * SUBNET_SIZE
  return start < subnetStart + SUBNET_SIZE && subnetStart < end
}

/** Address of a node of a loopback fleet. Linux accepts every address of 127.0.0.0/8 on `lo`. */
export const loopbackAddress = (lab: number, node: number): string =>
  text(address4(127, 0, lab, 0) + 10 + node)
