import { OperatingError } from '../../../lib/errors.ts'
import { toDuration } from '../../../lib/protobuf-time.ts'
import { createCooperativeYielding } from '../../cooperative-yielding.ts'
import type { FleetNode } from '../../inventory/node.ts'
import type { PathKey } from '../../store/windows.ts'
import type { MeshDependencies } from '../dependencies.ts'
import {
  assignmentOf,
  groupsOf,
  isRotating,
  type KnownAddresses,
  type MeshMembers,
  type NodePlan,
  type ProbeRate,
  peersOf,
  probeOf,
  resolveMembers,
} from './assignment.ts'
import { intervalOf, requestedWindowOf, windowFor, windowProblems } from './intervals.ts'
import type { MeshSpec } from './mesh-spec.ts'
import { createRotation, epochsToCover, type Rotation } from './rotation.ts'

/** A mesh and its members in the current fleet. */
export type PlannedMesh = {
  name: string
  spec: MeshSpec
  members: MeshMembers
  rotation: Rotation
  /** By node, the epoch that its current plan is for. */
  epochs: Map<string, number>
  /** Approximate number of paths that are probed at a time. */
  pathCount: number
}

/** Returns the number of peers of a node, and the seconds until every pair was probed (undefined: continuously). */
export const extentOf = ({
  spec,
  members,
}: PlannedMesh): { peers: number; coverSeconds: number | undefined } => {
  const size = members.nodes.length
  if (!isRotating(spec, members)) return { peers: Math.max(0, size - 1), coverSeconds: undefined }
  const peers = Math.min(spec.shiftCount, size - 1)
  return { peers, coverSeconds: epochsToCover(size, spec.shiftCount) * spec.epochSeconds }
}

/** An agent uses one window length: the shortest of its meshes. */
const shortestWindowOf = (meshes: readonly PlannedMesh[]): number =>
  Math.min(...meshes.map(({ spec }) => requestedWindowOf(spec)))

/** Counts pairs of interfaces of the same name, scaled by the fraction of peers that are probed at a time. */
const pathCountOf = (mesh: PlannedMesh): number => {
  const { nodes, endpoints } = mesh.members
  const fraction = extentOf(mesh).peers / Math.max(1, nodes.length - 1)
  return [...endpoints.values()].reduce((sum, { size }) => sum + size * (size - 1) * fraction, 0)
}

const rateOf = (mesh: PlannedMesh): ProbeRate => {
  const intervalSeconds = intervalOf(mesh.spec, extentOf(mesh).peers)
  const isIcmp = mesh.spec.engine !== 'tcp'
  return { intervalSeconds, echoesPerSecond: isIcmp ? 1 / intervalSeconds : 0 }
}

/** Equal assignments can differ in the mesh of a path: of two meshes with the same path the first may have ended. */
const isSame = (one: NodePlan | undefined, other: NodePlan): boolean =>
  one !== undefined &&
  JSON.stringify(one.assignment) === JSON.stringify(other.assignment) &&
  [...other.targets].every(([id, { mesh }]) => one.targets.get(id)?.mesh === mesh)

/**
 * Returns a planner: from meshes and fleet to the plan of each node. `changes` is cheap to call often: it computes all
 * nodes after a change of the fleet or a mesh, otherwise only those whose epoch has ended.
 * @param idOf returns the permanent id of a path
 */
export const createPlanner = (idOf: (key: PathKey) => number, known: KnownAddresses) => {
  const meshes = new Map<string, PlannedMesh>()
  const plans = new Map<string, NodePlan>()
  /** Nodes whose plan must be computed again. */
  const due = new Set<string>()
  let fleet: readonly FleetNode[] = []

  const pathCount = (): number => [...meshes.values()].reduce((sum, mesh) => sum + mesh.pathCount, 0)
  const markMembers = ({ members }: PlannedMesh): void => {
    for (const node of members.nodes) due.add(node)
  }
  const updateMembers = (mesh: PlannedMesh): void => {
    markMembers(mesh)
    mesh.members = resolveMembers(mesh.spec, fleet, known)
    mesh.rotation.setMembers(mesh.members.nodes)
    mesh.pathCount = pathCountOf(mesh)
    markMembers(mesh)
  }
  const groupsFor = (node: string, mesh: PlannedMesh, nowSeconds: number) => {
    const { spec, members, rotation } = mesh
    const epoch = rotation.epochOf(node, nowSeconds)
    mesh.epochs.set(node, epoch)
    const rate = rateOf(mesh)
    const probe = probeOf(spec, rate.intervalSeconds)
    const peers = peersOf(node, spec, members, rotation, epoch)
    return groupsOf(node, peers, probe, members).map((group) => ({ ...group, mesh: mesh.name, rate }))
  }
  const planOf = (node: string, nowSeconds: number): NodePlan | undefined => {
    const ofNode = [...meshes.values()]
      .filter(({ members }) => members.nodeSet.has(node))
      .sort((one, other) => (one.name < other.name ? -1 : 1))
    if (ofNode.length === 0) return undefined
    const windowSeconds = windowFor(shortestWindowOf(ofNode), pathCount())
    const groups = ofNode.flatMap((mesh) => groupsFor(node, mesh, nowSeconds))
    const merged = assignmentOf(groups, idOf)
    const targets: NodePlan['targets'] = new Map()
    for (const group of groups) {
      for (const target of group.targets) {
        const id = idOf(target.key)
        if (merged.targets.get(id) !== target) continue
        targets.set(id, { target, mesh: group.mesh, windowSeconds, ...group.rate })
      }
    }
    const assignment = { groups: merged.groups, window: toDuration(windowSeconds), outlive: undefined }
    return { node, assignment, targets }
  }

  return {
    meshes: (): IterableIterator<PlannedMesh> => meshes.values(),
    /** Returns how the plan of a mesh differs from its spec, one line each. */
    problemsOf: ({ spec }: PlannedMesh): string[] => windowProblems(spec, pathCount()),
    /** Returns the size of each mesh. */
    extents: () =>
      [...meshes.values()].map((mesh) => ({
        name: mesh.name,
        nodes: mesh.members.nodes.length,
        ...extentOf(mesh),
      })),
    /** Adds or replaces a mesh; removes it without a spec. */
    set: (name: string, spec: MeshSpec | undefined): void => {
      // The total number of paths determines the window length of all nodes.
      for (const mesh of meshes.values()) markMembers(mesh)
      meshes.delete(name)
      if (!spec) return
      const members = resolveMembers(spec, fleet, known)
      const mesh = {
        ...{ name, spec, members, rotation: createRotation(spec) },
        ...{ epochs: new Map<string, number>(), pathCount: 0 },
      }
      meshes.set(name, mesh)
      updateMembers(mesh)
    },
    setFleet: (nodes: readonly FleetNode[]): void => {
      fleet = nodes
      for (const mesh of meshes.values()) updateMembers(mesh)
    },
    /**
     * Yields the nodes whose plan has changed; undefined for a node that is in no mesh any more.
     * @throws OperatingError when the store cannot number new paths; the remaining nodes are computed next time
     */
    *changes(nowSeconds: number): Generator<{ node: string; plan: NodePlan | undefined }> {
      for (const mesh of meshes.values()) {
        if (!isRotating(mesh.spec, mesh.members)) continue
        for (const node of mesh.members.nodes) {
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

type FleetPlannerDeps = Pick<MeshDependencies, 'clock' | 'fleet' | 'store'> & {
  known: KnownAddresses
  /** Receives each changed plan after its path ids are durable. */
  apply: (node: string, plan: NodePlan | undefined) => void
  /** The fleet has changed; these are its nodes now. */
  onFleet: (members: ReadonlySet<string>) => void
}

/** Returns a planner that follows the fleet and applies each changed plan. */
export const createFleetPlanner = ({ clock, fleet, store, known, apply, onFleet }: FleetPlannerDeps) => {
  const planner = createPlanner(store.pathId, known)
  /** Plans whose path ids are not durable yet. At most one per node. */
  const pending = new Map<string, NodePlan | undefined>()
  let revision: number | undefined
  let racks: ReadonlyMap<string, string> = new Map()
  let problem = ''
  // Until all agents were tried once, the fleet is incomplete: planning with it would stop probes of the missing nodes.
  let isSettled = false
  void fleet.settled.then(() => {
    isSettled = true
  })

  const readFleet = (): void => {
    const current = fleet.revision()
    if (current === revision) return
    const nodes = fleet.nodes()
    racks = new Map(nodes.flatMap(({ name, rack }) => (rack === '' ? [] : [[name, rack]])))
    planner.setFleet(nodes)
    onFleet(new Set(nodes.map(({ name }) => name)))
    revision = current
  }

  /** Agents keep windows of a path for minutes, so its id must be the same after a crash of the collector. */
  const applyPending = (): void => {
    store.keepPaths()
    for (const [node, plan] of pending) {
      pending.delete(node)
      apply(node, plan)
    }
  }

  const update = async (signal: AbortSignal): Promise<void> => {
    const yielding = createCooperativeYielding(clock)
    readFleet()
    for (const { node, plan } of planner.changes(clock.now().getTime() / 1000)) {
      pending.set(node, plan)
      if (!yielding.isOver()) continue
      applyPending()
      await yielding.startNextSlice()
      if (signal.aborted) return
    }
    applyPending()
  }

  return {
    set: planner.set,
    meshes: planner.meshes,
    extents: planner.extents,
    problemsOf: planner.problemsOf,
    /** Returns the rack of each node that has one. */
    racks: (): ReadonlyMap<string, string> => racks,
    /** Returns why new paths are not probed; empty when they are. */
    problem: (): string => problem,
    tick: async (signal: AbortSignal): Promise<void> => {
      if (!isSettled) return
      try {
        await update(signal)
        problem = ''
      } catch (error) {
        if (!(error instanceof OperatingError)) throw error
        problem = `new paths cannot be planned: ${error.message}`
      }
    },
  }
}

export type FleetPlanner = ReturnType<typeof createFleetPlanner>
