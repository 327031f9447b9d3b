import type { MeshAssignment } from '#proto/meshgauge/agent/v1/ping.ts'
import type { Node } from '#proto/meshgauge/collector/v1/fleet.ts'
import { toDuration } from '../../../lib/protobuf-time.ts'
import type { PathKey } from '../../store/windows.ts'
import {
  assignmentOf,
  createFabric,
  type Fabric,
  groupsOf,
  isRotating,
  type KnownAddresses,
  peersOf,
  type Target,
} from './assignment.ts'
import { createRotation, epochsToCover, type Rotation } from './rotation.ts'
import { intervalOf, type MeshSettings, windowFor, windowProblems } from './settings.ts'

/** A mesh as it is planned now. */
export type PlannedMesh = {
  name: string
  settings: MeshSettings
  fabric: Fabric
  rotation: Rotation
  /** By node, the epoch whose peers it probes. */
  epochs: Map<string, number>
  /** Paths that are probed at a time, about. */
  pathCount: number
}

/** How often a path is probed, and the ICMP echo requests that it sends for that. */
type Rate = { intervalSeconds: number; echoesPerSecond: number }

/** What a node is to probe from now on. */
export type NodePlan = {
  node: string
  assignment: Omit<MeshAssignment, 'owner'>
  /** By the number of the path. */
  targets: Map<number, { target: Target; mesh: string; windowSeconds: number } & Rate>
}

/** An agent holds one length of windows; of several meshes the shortest. */
const askedWindowOf = (meshes: readonly PlannedMesh[]): number =>
  Math.min(...meshes.map(({ settings }) => settings.windowSeconds))

/** Paths are between those that have an interface of the same name; of turning peers about as many have it as of all. */
const pathCountOf = (mesh: PlannedMesh): number => {
  const { nodes, ends } = mesh.fabric
  const share = extentOf(mesh).peers / Math.max(1, nodes.length - 1)
  return [...ends.values()].reduce((sum, { size }) => sum + size * (size - 1) * share, 0)
}

const rateOf = (mesh: PlannedMesh): Rate => {
  const intervalSeconds = intervalOf(mesh.settings, extentOf(mesh).peers)
  const sendsNone = mesh.settings.probe.engine === 'tcp'
  return { intervalSeconds, echoesPerSecond: sendsNone ? 0 : 1 / intervalSeconds }
}

/** The agent is to do the same, and each path is of the same mesh: of two that want it, the first may have ended. */
const isSame = (one: NodePlan | undefined, other: NodePlan): boolean =>
  one !== undefined &&
  JSON.stringify(one.assignment) === JSON.stringify(other.assignment) &&
  [...other.targets].every(([id, { mesh }]) => one.targets.get(id)?.mesh === mesh)

/**
 * Turns meshes and the fleet into what each node is to probe, and says which nodes are to be told. It is asked often
 * and does only what changed: all nodes after a change of the fleet, in a large one else those whose epoch ends.
 */
export const createPlanner = (idOf: (key: PathKey) => number, known: KnownAddresses) => {
  const meshes = new Map<string, PlannedMesh>()
  const plans = new Map<string, NodePlan>()
  const due = new Set<string>()
  let fleet: readonly Node[] = []

  const weave = (mesh: PlannedMesh): void => {
    mesh.fabric = createFabric(mesh.settings, fleet, known)
    mesh.rotation.setMembers(mesh.fabric.nodes)
    mesh.pathCount = pathCountOf(mesh)
    for (const node of mesh.fabric.nodes) due.add(node)
  }
  const pathCount = (): number => [...meshes.values()].reduce((sum, mesh) => sum + mesh.pathCount, 0)
  /** The number of paths decides about the windows of all of them. */
  const everybodyIsDue = (): void => {
    for (const { fabric } of meshes.values()) for (const node of fabric.nodes) due.add(node)
  }
  const planOf = (node: string, nowSeconds: number): NodePlan | undefined => {
    const own = [...meshes.values()]
      .filter(({ fabric }) => fabric.members.has(node))
      .sort((one, other) => (one.name < other.name ? -1 : 1))
    if (own.length === 0) return undefined
    const targets: NodePlan['targets'] = new Map()
    const windowSeconds = windowFor(askedWindowOf(own), pathCount())
    const groups = own.flatMap((mesh) => {
      const { settings, fabric, rotation } = mesh
      const epoch = rotation.epochOf(node, nowSeconds)
      mesh.epochs.set(node, epoch)
      const rate = rateOf(mesh)
      const probe = { ...settings.probe, interval: toDuration(rate.intervalSeconds) }
      const peers = peersOf(node, settings, fabric, rotation, epoch)
      return groupsOf(node, peers, probe, fabric).map((group) => ({ ...group, mesh: mesh.name, rate }))
    })
    const made = assignmentOf(groups, idOf)
    for (const { mesh, rate, targets: asked } of groups) {
      for (const target of asked) {
        const id = idOf(target.key)
        if (made.ids.get(id) === target) targets.set(id, { target, mesh, windowSeconds, ...rate })
      }
    }
    const assignment = { groups: made.groups, window: toDuration(windowSeconds), outlive: undefined }
    return { node, assignment, targets }
  }

  return {
    meshes: (): IterableIterator<PlannedMesh> => meshes.values(),
    /** What is otherwise than a mesh asked for, one line each. */
    problemsOf: ({ settings }: PlannedMesh): string[] => windowProblems(settings, pathCount()),
    /** How large each mesh is. */
    extents: () =>
      [...meshes.values()].map((mesh) => ({
        name: mesh.name,
        nodes: mesh.fabric.nodes.length,
        ...extentOf(mesh),
      })),
    set: (name: string, settings: MeshSettings | undefined): void => {
      everybodyIsDue()
      if (!settings) {
        meshes.delete(name)
        return
      }
      const rotation = createRotation(settings)
      const fabric = createFabric(settings, fleet, known)
      const mesh = { name, settings, fabric, rotation, epochs: new Map<string, number>(), pathCount: 0 }
      meshes.set(name, mesh)
      weave(mesh)
      everybodyIsDue()
    },
    setFleet: (nodes: readonly Node[]): void => {
      fleet = nodes
      for (const mesh of meshes.values()) {
        for (const node of mesh.fabric.nodes) due.add(node)
        weave(mesh)
      }
    },
    /**
     * The nodes that are to probe something else than before; undefined for one that is in no mesh any more.
     * @throws OperatingError when the store cannot number new paths; what was not planned is due still
     */
    *changes(nowSeconds: number): Generator<{ node: string; plan: NodePlan | undefined }> {
      for (const mesh of meshes.values()) {
        if (!isRotating(mesh.settings, mesh.fabric)) continue
        for (const node of mesh.fabric.nodes) {
          if (mesh.epochs.get(node) !== mesh.rotation.epochOf(node, nowSeconds)) due.add(node)
        }
      }
      for (const node of [...due]) {
        const plan = planOf(node, nowSeconds)
        due.delete(node)
        if (plan && isSame(plans.get(node), plan)) continue
        if (plan) plans.set(node, plan)
        else if (!plans.delete(node)) continue
        yield { node, plan }
      }
    },
  }
}

/** Peers of a node at a time, and how long until every pair was probed (undefined: all the time). */
export const extentOf = ({
  settings,
  fabric,
}: PlannedMesh): { peers: number; coverSeconds: number | undefined } => {
  const size = fabric.nodes.length
  if (!isRotating(settings, fabric)) return { peers: Math.max(0, size - 1), coverSeconds: undefined }
  const peers = Math.min(settings.shiftCount, size - 1)
  return { peers, coverSeconds: epochsToCover(size, settings.shiftCount) * settings.epochSeconds }
}
