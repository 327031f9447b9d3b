import type { MeshAssignment, MeshGroup } from '#proto/meshgauge/agent/v1/ping.ts'
import { IpFamily, Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { cidrOf } from '../../../lib/ip-address.ts'
import { toDuration } from '../../../lib/protobuf-time.ts'
import {
  addressesOfPair,
  endpointsOf,
  type FleetEndpoint,
  interfaceNames,
  parseAddresses,
} from '../../inventory/endpoints.ts'
import type { FleetNode } from '../../inventory/node.ts'
import { isReady, selectNodes } from '../../inventory/selectors.ts'
import type { PathKey } from '../../store/windows.ts'
import type { MeshSpec } from './mesh-spec.ts'
import type { Rotation } from './rotation.ts'

/** The members of a mesh in the current fleet: nodes, interfaces and addresses. */
export type MeshMembers = {
  nodes: readonly string[]
  nodeSet: ReadonlySet<string>
  /** By interface name, then by node. */
  endpoints: ReadonlyMap<string, ReadonlyMap<string, FleetEndpoint>>
  /** Why endpoints are excluded, one line each. */
  problems: readonly string[]
}

/** One path to probe: its key, the source and destination addresses. */
export type Target = { key: PathKey; from: string; address: string }

/** How often a path is probed, and the ICMP echo requests per second that this sends (0 for TCP). */
export type ProbeRate = { intervalSeconds: number; echoesPerSecond: number }

/** What one node probes. */
export type NodePlan = {
  node: string
  assignment: Omit<MeshAssignment, 'owner'>
  /** By path id. */
  targets: Map<number, { target: Target; mesh: string; windowSeconds: number } & ProbeRate>
}

/** What one node probes from one interface for one mesh. */
export type TargetGroup = { probe: Probe; interface: string; targets: readonly Target[] }

/** How the targets of a mesh are probed. */
export type Probe = Omit<MeshGroup, 'interface' | 'targets'>

export const probeOf = (spec: MeshSpec, intervalSeconds: number): Probe => ({
  engine: spec.engine,
  interval: toDuration(intervalSeconds),
  timeout: toDuration(spec.timeoutSeconds),
  sizeBytes: spec.sizeBytes,
  dontFragment: spec.dontFragment,
  tos: spec.tos,
})

/**
 * The last known addresses of each interface, with prefix lengths. An interface that is down may have no addresses, and must stay in the
 * mesh so that its failure is seen.
 */
export type KnownAddresses = {
  get(node: string, name: string): readonly string[]
  set(node: string, name: string, addresses: readonly string[]): void
}

/** @param isRemoved the agent answers and has no such interface: it was removed or renamed */
const withKnownAddresses = (
  known: KnownAddresses,
  endpoint: FleetEndpoint,
  isRemoved: boolean,
): FleetEndpoint => {
  const { node, interface: name, addresses } = endpoint
  if (isRemoved) return { ...endpoint, addresses: [] }
  if (addresses.length > 0) known.set(node, name, addresses.map(cidrOf))
  return addresses.length > 0 ? endpoint : { ...endpoint, addresses: parseAddresses(known.get(node, name)) }
}

/** Returns the members of a mesh. A selector that matches no node is reported as a problem; the rest still takes part. */
export const resolveMembers = (
  spec: MeshSpec,
  fleet: readonly FleetNode[],
  known: KnownAddresses,
): MeshMembers => {
  const chosen = selectNodes(fleet, spec.nodes, 'nodes')
  const { names, violations } = interfaceNames(chosen.nodes, spec.interfaces)
  const configured = new Map(chosen.nodes.map((node) => [node.name, new Set(node.interfaces)]))
  const byName = new Map(chosen.nodes.map((node) => [node.name, node]))
  const isRemoved = ({ node, interface: name }: FleetEndpoint): boolean =>
    isReady(byName.get(node)!) &&
    !configured.get(node)!.has(name) &&
    !byName.get(node)!.description?.interfaces.some((link) => link.name === name)
  const endpoints = new Map<string, Map<string, FleetEndpoint>>()
  const problems = [...chosen.violations, ...violations].map(
    ({ field, description }) => `${field}: ${description}`,
  )
  for (const found of endpointsOf(chosen.nodes, names)) {
    const label = `${found.node} ${found.interface}`
    if (found.problem?.outcome === Outcome.OUTCOME_INVALID) {
      problems.push(`${label} is left out: ${found.problem.reason}`)
      continue
    }
    const endpoint = withKnownAddresses(known, found, isRemoved(found))
    if (endpoint.addresses.length === 0) {
      const isExpected = configured.get(found.node)!.has(found.interface)
      if (isExpected) problems.push(`${label} is left out: its addresses are not known yet`)
      continue
    }
    const byNode = endpoints.get(endpoint.interface) ?? new Map<string, FleetEndpoint>()
    endpoints.set(endpoint.interface, byNode)
    byNode.set(endpoint.node, endpoint)
  }
  const nodes = chosen.nodes.map(({ name }) => name)
  return { nodes, nodeSet: new Set(nodes), endpoints, problems }
}

/** Returns whether the fleet is too large for a full mesh, so that its nodes rotate their peers. */
export const isRotating = (spec: MeshSpec, members: MeshMembers): boolean =>
  members.nodes.length > spec.fullMeshLimit

/** Returns what a node probes: each peer, from each interface to the interface of the same name. */
export const groupsOf = (
  node: string,
  peers: readonly string[],
  probe: Probe,
  { endpoints }: MeshMembers,
): TargetGroup[] => {
  const groups: TargetGroup[] = []
  for (const [name, byNode] of endpoints) {
    const source = byNode.get(node)
    if (!source) continue
    const targets: Target[] = []
    for (const peer of peers) {
      const destination = byNode.get(peer)
      const pair = destination && addressesOfPair(source, destination, IpFamily.IP_FAMILY_UNSPECIFIED)
      if (!pair) continue
      const key = { source: node, destination: peer, interface: name }
      targets.push({ key, from: pair.source, address: pair.destination })
    }
    if (targets.length > 0) groups.push({ probe, interface: name, targets })
  }
  return groups
}

/** Returns the peers of a node: all other nodes, or those of the epoch in a fleet that rotates. */
export const peersOf = (
  node: string,
  spec: MeshSpec,
  members: MeshMembers,
  rotation: Rotation,
  epoch: number,
): readonly string[] =>
  isRotating(spec, members) ? rotation.peersOf(node, epoch) : members.nodes.filter((peer) => peer !== node)

/**
 * Returns one assignment for all groups of a node, and its targets by path id. A path that several meshes contain is
 * probed once, with the parameters of the first one. @param idOf returns the permanent id of a path
 */
export const assignmentOf = (
  groups: readonly TargetGroup[],
  idOf: (key: PathKey) => number,
): { groups: MeshGroup[]; targets: Map<number, Target> } => {
  const byId = new Map<number, Target>()
  const merged = groups.map(({ probe, interface: name, targets }): MeshGroup => {
    const added = targets.flatMap((target) => {
      const id = idOf(target.key)
      if (byId.has(id)) return []
      byId.set(id, target)
      return [{ id, address: target.address, port: undefined }]
    })
    return { ...probe, interface: name, targets: added }
  })
  return { groups: merged.filter(({ targets }) => targets.length > 0), targets: byId }
}
