import type { MeshGroup } from '#proto/meshgauge/agent/v1/ping.ts'
import { IpFamily, Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { Node } from '#proto/meshgauge/collector/v1/fleet.ts'
import { addressesOfPair, endpointsOf, interfaceNames, type RunEndpoint } from '../../dispatch/endpoints.ts'
import { selectNodes } from '../../inventory/selectors.ts'
import type { PathKey } from '../../store/windows.ts'
import type { Rotation } from './rotation.ts'
import type { MeshSettings } from './settings.ts'

/** The ends of a mesh as the fleet is now: who takes part, on which interfaces, with which addresses. */
export type Fabric = {
  nodes: readonly string[]
  members: ReadonlySet<string>
  /** By interface, then by node. */
  ends: ReadonlyMap<string, ReadonlyMap<string, RunEndpoint>>
  /** What keeps ends out of the mesh, one line each. */
  problems: readonly string[]
}

export type Target = { key: PathKey; from: string; to: string; address: string }

/** What one node is to probe for one mesh. */
export type TargetGroup = { probe: Probe; interface: string; targets: readonly Target[] }

/** How the targets of a mesh are probed. */
export type Probe = Omit<MeshGroup, 'interface' | 'targets'>

/** Keeps what an interface had: one that is down may lose its addresses, and must not drop out of the mesh for it. */
export type KnownAddresses = {
  get(node: string, name: string): readonly string[]
  set(node: string, name: string, addresses: readonly string[]): void
}

const withKnown = (known: KnownAddresses, endpoint: RunEndpoint): RunEndpoint => {
  const { node, interface: name, addresses } = endpoint
  if (addresses.length > 0) known.set(node, name, addresses)
  return { ...endpoint, addresses: known.get(node, name) }
}

/** Makes the ends of a mesh. A selector that names no node is a problem, and the others go on. */
export const createFabric = (
  { spec }: MeshSettings,
  fleet: readonly Node[],
  known: KnownAddresses,
): Fabric => {
  const chosen = selectNodes(fleet, spec.nodes, 'nodes')
  const { names, violations } = interfaceNames(chosen.nodes, spec.interfaces)
  const wanted = new Map(chosen.nodes.map((node) => [node.name, new Set(node.interfaces)]))
  const ends = new Map<string, Map<string, RunEndpoint>>()
  const problems = [...chosen.violations, ...violations].map(
    ({ field, description }) => `${field}: ${description}`,
  )
  for (const each of endpointsOf(chosen.nodes, names)) {
    if (each.problem?.outcome === Outcome.OUTCOME_INVALID) {
      problems.push(`${each.node} ${each.interface} is left out: ${each.problem.reason}`)
      continue
    }
    const endpoint = withKnown(known, each)
    if (endpoint.addresses.length === 0) {
      const expected = wanted.get(each.node)!.has(each.interface)
      if (expected)
        problems.push(`${each.node} is left out on ${each.interface}: its addresses are not known`)
      continue
    }
    const byNode = ends.get(endpoint.interface) ?? new Map<string, RunEndpoint>()
    ends.set(endpoint.interface, byNode)
    byNode.set(endpoint.node, endpoint)
  }
  const nodes = chosen.nodes.map(({ name }) => name)
  return { nodes, members: new Set(nodes), ends, problems }
}

/** Whether the nodes of a mesh take turns as peers. */
export const isRotating = (settings: MeshSettings, fabric: Fabric): boolean =>
  fabric.nodes.length > settings.fullMeshLimit

/** What a node is to probe: each peer, from each interface to the one of the same name. */
export const groupsOf = (
  node: string,
  peers: readonly string[],
  probe: Probe,
  { ends }: Fabric,
): TargetGroup[] => {
  const groups: TargetGroup[] = []
  for (const [name, byNode] of ends) {
    const source = byNode.get(node)
    if (!source) continue
    const targets: Target[] = []
    for (const peer of peers) {
      const destination = byNode.get(peer)
      const pair = destination && addressesOfPair(source, destination, IpFamily.IP_FAMILY_UNSPECIFIED)
      if (!pair) continue
      const key = { source: node, destination: peer, interface: name }
      targets.push({ key, from: pair.source, to: peer, address: pair.destination })
    }
    if (targets.length > 0) groups.push({ probe, interface: name, targets })
  }
  return groups
}

/** The peers of a node at a moment: everybody, or in a large fleet those of its epoch. */
export const peersOf = (
  node: string,
  settings: MeshSettings,
  fabric: Fabric,
  rotation: Rotation,
  epoch: number,
): readonly string[] =>
  isRotating(settings, fabric) ? rotation.peersOf(node, epoch) : fabric.nodes.filter((peer) => peer !== node)

/**
 * One assignment of all that several meshes want of a node. A path that two of them want is probed once, as the first
 * one says. @param idOf the number of a path, the same for ever
 */
export const assignmentOf = (
  groups: readonly TargetGroup[],
  idOf: (key: PathKey) => number,
): { groups: MeshGroup[]; ids: Map<number, Target> } => {
  const ids = new Map<number, Target>()
  const made = groups.map(({ probe, interface: name, targets }): MeshGroup => {
    const own = targets.flatMap((target) => {
      const id = idOf(target.key)
      if (ids.has(id)) return []
      ids.set(id, target)
      return [{ id, address: target.address }]
    })
    return { ...probe, interface: name, targets: own.map((each) => ({ ...each, port: undefined })) }
  })
  return { groups: made.filter(({ targets }) => targets.length > 0), ids }
}
