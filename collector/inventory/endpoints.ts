import { IpFamily, Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { Endpoint } from '#proto/meshgauge/collector/v1/result.ts'
import { closest } from '../../lib/config.ts'
import type { Violation } from '../../lib/errors.ts'
import { chooseAddressPair, type IpPrefix, parseIpPrefix } from '../../lib/ip-address.ts'
import { interfaceKey, type NodeInterface } from './keys.ts'
import type { FleetNode, HostInterface } from './node.ts'
import { isReady } from './selectors.ts'

/** Why an endpoint cannot be measured, and the outcome of its pairs. */
export type EndpointProblem = { outcome: Outcome; reason: string }

/**
 * One interface of one node, with what its agent reports about it. Runs, traffic and the ping mesh use this type for
 * both ends of a pair.
 */
export type FleetEndpoint = NodeInterface & {
  addresses: readonly IpPrefix[]
  /** 0 when unknown. */
  mtuBytes: number
  /** Undefined when unknown. */
  speedBitsPerSecond: number | undefined
  /** Empty when unknown. */
  driver: string
  firmwareVersion: string
  problem: EndpointProblem | undefined
}

/** Parses the addresses of an interface. What is no address, such as one with an IPv6 zone, is left out. */
export const parseAddresses = (cidrs: readonly string[]): IpPrefix[] =>
  cidrs.flatMap((cidr) => parseIpPrefix(cidr) ?? [])

/** Returns the names of the interfaces to measure: the requested ones, else those that at least two nodes have. */
export const interfaceNames = (
  nodes: readonly FleetNode[],
  requested: readonly string[],
): { names: string[]; violations: Violation[] } => {
  const counts = new Map<string, number>()
  for (const node of nodes) for (const name of node.interfaces) counts.set(name, (counts.get(name) ?? 0) + 1)
  const known = [...counts.keys()]
  if (requested.length === 0) return { names: known.filter((name) => counts.get(name)! >= 2), violations: [] }
  const violations = requested.flatMap((name, index) => {
    if (counts.has(name)) return []
    const meant = closest(name, known)
    const hint = meant ? `did you mean ${meant}?` : `there are ${known.join(', ') || 'none'}`
    return [{ field: `interfaces[${index}]`, description: `no node has "${name}"; ${hint}` }]
  })
  return { names: [...new Set(requested)], violations }
}

const problemOf = (
  node: FleetNode,
  name: string,
  link: HostInterface | undefined,
): EndpointProblem | undefined => {
  const notRun = (reason: string): EndpointProblem => ({ outcome: Outcome.OUTCOME_NOT_RUN, reason })
  if (!node.description || !isReady(node)) {
    return notRun(`the agent of ${node.name} does not answer: ${node.stateReason || 'not asked yet'}`)
  }
  if (!link) return notRun(`${node.name} has no interface ${name}`)
  if (link.state === 'down') {
    return { outcome: Outcome.OUTCOME_UNREACHABLE, reason: `${name} of ${node.name} is down` }
  }
  return link.addresses.length === 0 ? notRun(`${name} of ${node.name} has no address`) : undefined
}

/** Virtual links without a device (veth, tun) report this speed, which limits nothing. */
const NOMINAL_SPEED = 10e9

/** Returns the link speed of an interface in bit/s; undefined when it is unknown. */
export const linkSpeedOf = ({ speedBitsPerSecond, driver }: HostInterface): number | undefined =>
  driver === '' && speedBitsPerSecond === NOMINAL_SPEED ? undefined : speedBitsPerSecond

const toEndpoint = (node: FleetNode, name: string): FleetEndpoint => {
  const link = node.description?.interfaces.find((candidate) => candidate.name === name)
  return {
    node: node.name,
    interface: name,
    addresses: parseAddresses(link?.addresses ?? []),
    mtuBytes: link?.mtuBytes ?? 0,
    speedBitsPerSecond: link && linkSpeedOf(link),
    driver: link?.driver ?? '',
    firmwareVersion: link?.firmwareVersion ?? '',
    problem: problemOf(node, name, link),
  }
}

/**
 * Returns every named interface of every node, node by node. Two with the same address are ambiguous, so both
 * get a problem.
 */
export const endpointsOf = (nodes: readonly FleetNode[], names: readonly string[]): FleetEndpoint[] => {
  const endpoints = nodes.flatMap((node) => names.map((name) => toEndpoint(node, name)))
  const owners = Map.groupBy(
    endpoints.flatMap((endpoint) => endpoint.addresses.map(({ address }) => ({ address, endpoint }))),
    ({ address }) => address,
  )
  for (const [address, holders] of owners) {
    if (holders.length < 2) continue
    const list = holders.map(({ endpoint }) => interfaceKey(endpoint)).join(' and ')
    const problem = { outcome: Outcome.OUTCOME_INVALID, reason: `${address} is on ${list}` }
    for (const { endpoint } of holders) endpoint.problem = problem
  }
  return endpoints
}

/** Returns the addresses of a pair, of the requested family if there is one. See chooseAddressPair. */
export const addressesOfPair = (
  source: FleetEndpoint,
  destination: FleetEndpoint,
  family: IpFamily,
): { source: string; destination: string } | undefined => {
  const wanted = family === IpFamily.IP_FAMILY_V6 ? 6 : family === IpFamily.IP_FAMILY_V4 ? 4 : undefined
  const of = ({ addresses }: FleetEndpoint) =>
    wanted === undefined ? addresses : addresses.filter((address) => address.family === wanted)
  const pair = chooseAddressPair(of(source), of(destination))
  return pair && { source: pair.source.address, destination: pair.destination.address }
}

/** Returns the endpoint as the API shows it. */
export const endpointMessage = (
  endpoint: FleetEndpoint,
  address = endpoint.addresses[0]?.address ?? '',
): Endpoint => ({
  node: endpoint.node,
  interface: endpoint.interface,
  address,
})
