import { IpFamily, Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { Node } from '#proto/meshgauge/collector/v1/fleet.ts'
import type { Endpoint } from '#proto/meshgauge/collector/v1/result.ts'
import type { Violation } from '../../lib/errors.ts'
import { interfaceKey } from '../inventory/keys.ts'
import { isReady } from '../inventory/selectors.ts'

/** Why nothing can be measured at an end, and what that makes of its pairs. */
export type EndProblem = { outcome: Outcome; reason: string }

/** One interface of one node, as a run sees it. */
export type RunEndpoint = {
  node: string
  interface: string
  addresses: readonly string[]
  /** 0 when it is not known. */
  mtuBytes: number
  problem: EndProblem | undefined
}

/** Addresses of an interface by the agent's description, without prefix lengths. */
const addressesOf = (node: Node, name: string): string[] =>
  (node.description?.interfaces.find((link) => link.name === name)?.addresses ?? []).map(
    (cidr) => cidr.split('/')[0]!,
  )

/** The interface names to measure: those asked for, else those that at least two of the nodes have. */
export const interfaceNames = (
  nodes: readonly Node[],
  asked: readonly string[],
): { names: string[]; violations: Violation[] } => {
  const counts = new Map<string, number>()
  for (const node of nodes) for (const name of node.interfaces) counts.set(name, (counts.get(name) ?? 0) + 1)
  const known = [...counts.keys()]
  if (asked.length === 0) return { names: known.filter((name) => counts.get(name)! >= 2), violations: [] }
  const violations = asked.flatMap((name, index) =>
    counts.has(name)
      ? []
      : [
          {
            field: `interfaces[${index}]`,
            description: `no node has "${name}"; there are ${known.join(', ') || 'none'}`,
          },
        ],
  )
  return { names: [...new Set(asked)], violations }
}

const problemOf = (node: Node, name: string, addresses: readonly string[]): EndProblem | undefined => {
  const notRun = (reason: string): EndProblem => ({ outcome: Outcome.OUTCOME_NOT_RUN, reason })
  if (!node.description || !isReady(node)) {
    return notRun(`the agent of ${node.name} does not answer: ${node.stateReason || 'not asked yet'}`)
  }
  const link = node.description.interfaces.find((candidate) => candidate.name === name)
  if (!link) return notRun(`${node.name} has no interface ${name}`)
  if (link.state === 'down')
    return { outcome: Outcome.OUTCOME_UNREACHABLE, reason: `${name} of ${node.name} is down` }
  return addresses.length === 0 ? notRun(`${name} of ${node.name} has no address`) : undefined
}

/** Every interface that takes part. Two that share an address cannot be told apart: both are marked. */
export const endpointsOf = (nodes: readonly Node[], names: readonly string[]): RunEndpoint[] => {
  const endpoints: RunEndpoint[] = nodes.flatMap((node) =>
    names.map((name) => {
      const addresses = addressesOf(node, name)
      const mtuBytes = node.description?.interfaces.find((link) => link.name === name)?.mtuBytes ?? 0
      const problem = problemOf(node, name, addresses)
      return { node: node.name, interface: name, addresses, mtuBytes, problem }
    }),
  )
  const owners = Map.groupBy(
    endpoints.flatMap((endpoint) => endpoint.addresses.map((address) => ({ address, endpoint }))),
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

/** The addresses to measure a pair between: of the family that was asked for, else IPv4 where both ends have it. */
export const addressesOfPair = (
  source: RunEndpoint,
  destination: RunEndpoint,
  family: IpFamily,
): { source: string; destination: string } | undefined => {
  const wanted =
    family === IpFamily.IP_FAMILY_V6 ? [true] : family === IpFamily.IP_FAMILY_V4 ? [false] : [false, true]
  for (const v6 of wanted) {
    const from = source.addresses.find((address) => address.includes(':') === v6)
    const to = destination.addresses.find((address) => address.includes(':') === v6)
    if (from && to) return { source: from, destination: to }
  }
  return undefined
}

export const endpointMessage = (endpoint: RunEndpoint, address = endpoint.addresses[0] ?? ''): Endpoint => ({
  node: endpoint.node,
  interface: endpoint.interface,
  address,
})
