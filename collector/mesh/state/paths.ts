import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Endpoint } from '#proto/meshgauge/collector/v1/result.ts'
import type { Clock } from '../../../lib/clock.ts'
import { interfaceKey, pathKey } from '../../inventory/keys.ts'
import type { PathKey } from '../../store/windows.ts'
import type { NodePlan, Target } from '../assign/assignment.ts'
import { createInterfaceWindow, type InterfaceWindow } from './interface-window.ts'
import { createPathHealth, type PathHealth } from './path-state.ts'
import { createRecentWindows } from './recent-window.ts'
import type { RunLoad } from './run-load.ts'

/** One path that is probed, or was until two minutes ago. Times are in mesh time. */
export type MeshPath = {
  readonly id: number
  /** Its `pathKey`, and that of the way back. */
  readonly key: string
  readonly backKey: string
  readonly source: Endpoint
  destination: Endpoint
  /** The mesh that contains it; the first of several. */
  mesh: string
  /** Without a window for this time the path is STALE. */
  staleAfterMs: number
  /** Time between two probes. */
  intervalSeconds: number
  /** ICMP echo requests per second; 0 with other kinds of probes. */
  echoesPerSecond: number
  readonly health: PathHealth
  /** Its row in the table of recent windows. */
  readonly row: number
  readonly sourceWindow: InterfaceWindow
  readonly destinationWindow: InterfaceWindow
  /** The agent's explanation of lost probes; empty when there is none. */
  reason: string
  /** Times of its state changes within the last hour, bounded by the event publisher. */
  changes: number[]
  /** When `observeMeasured` was last called for it. */
  reportedMs: number
  /** When it was removed from its source's plan; undefined while it is probed. */
  releasedMs: number | undefined
}

/** A path and its current state. */
export type MeasuredPath = {
  path: MeshPath
  state: PathState
  /** An exclusive run loaded one of its interfaces within the last minute, so its round-trip times are not comparable. */
  isLoaded: boolean
}

/** The state of a path, interface or agent before this collector started. */
export type KnownState = { state: PathState; timeMs: number }

/** The number of paths in each state. */
export type PathCounts = Record<PathState, number>

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

/** A path is STALE after three of its windows without data, and at least this time. */
const STALE_WINDOWS = 3
const MIN_STALE_MS = 30_000

/** How long a removed path is kept. Its agent may still deliver windows of it. */
const RELEASED_RETENTION_MS = 120_000

/** Returns the state changes of a path within the last hour. */
export const recentChanges = ({ changes }: MeshPath, nowMs: number): number[] =>
  changes.filter((timeMs) => nowMs - timeMs <= HOUR_MS)

/** Returns a path without measurements, in the state that is known from before this collector started. */
const newPath = (
  id: number,
  { key, from, address }: Target,
  {
    known,
    ...parts
  }: Pick<MeshPath, 'row' | 'sourceWindow' | 'destinationWindow'> & {
    known: KnownState | undefined
  },
): MeshPath => ({
  id,
  key: pathKey(key),
  backKey: pathKey({ ...key, source: key.destination, destination: key.source }),
  source: { node: key.source, interface: key.interface, address: from },
  destination: { node: key.destination, interface: key.interface, address },
  mesh: '',
  staleAfterMs: 0,
  intervalSeconds: 1,
  echoesPerSecond: 0,
  health: { ...createPathHealth(known?.state), stateMs: known?.timeMs ?? 0 },
  ...parts,
  reason: '',
  changes: [],
  reportedMs: 0,
  releasedMs: undefined,
})

/** Returns the paths of all meshes, and the interfaces at their ends. `apply` adds and removes them. */
export const createPaths = (deps: {
  random: () => number
  /** Returns the state of a path that was DOWN or LOSSY before this collector started. */
  initialState: (key: PathKey) => KnownState | undefined
}) => {
  const byId = new Map<number, MeshPath>()
  /** By node, its current plan. */
  const plans = new Map<string, NodePlan>()
  const interfaces = new Map<string, InterfaceWindow>()
  const recent = createRecentWindows(deps.random)
  /** The paths that are probed; undefined after a change. With a rotation they are a third of all paths. */
  let probed: readonly MeshPath[] | undefined

  const interfaceOf = (node: string, name: string): InterfaceWindow => {
    const key = interfaceKey({ node, interface: name })
    const window = interfaces.get(key) ?? createInterfaceWindow(node, name)
    interfaces.set(key, window)
    return window
  }
  const create = (id: number, target: Target): MeshPath =>
    newPath(id, target, {
      known: deps.initialState(target.key),
      row: recent.allocate(),
      sourceWindow: interfaceOf(target.key.source, target.key.interface),
      destinationWindow: interfaceOf(target.key.destination, target.key.interface),
    })
  const add = (
    id: number,
    target: Target,
    settings: Pick<MeshPath, 'mesh' | 'staleAfterMs' | 'intervalSeconds' | 'echoesPerSecond'>,
  ): void => {
    const path = byId.get(id) ?? create(id, target)
    byId.set(id, path)
    Object.assign(path, settings)
    path.releasedMs = undefined
    probed = undefined
    if (path.destination.address !== target.address) {
      path.destination = { ...path.destination, address: target.address }
    }
  }
  const release = (path: MeshPath, nowMs: number) => {
    path.releasedMs = nowMs
    probed = undefined
    const { state } = path.health
    path.health.state = PathState.PATH_STATE_UNSPECIFIED
    return { path, state }
  }

  return {
    recent,
    get: (id: number): MeshPath | undefined => byId.get(id),
    all: (): Iterable<MeshPath> => byId.values(),
    /** Returns the paths that are probed now. */
    probed: (): readonly MeshPath[] => {
      probed ??= [...byId.values()].filter(({ releasedMs }) => releasedMs === undefined)
      return probed
    },
    count: (): number => byId.size,
    /** Returns the interfaces at the ends of all paths, by their keys. */
    interfaces: (): ReadonlyMap<string, InterfaceWindow> => interfaces,
    /** Adds a path, or updates its settings when it is known. */
    add,
    /**
     * Replaces the paths of a node by those of its plan; removes them without a plan.
     * @returns the removed paths with their last states
     */
    apply: (
      node: string,
      plan: NodePlan | undefined,
      nowMs: number,
    ): { path: MeshPath; state: PathState }[] => {
      const previous = plans.get(node)
      const released = [...(previous?.targets.keys() ?? [])].flatMap((id) => {
        const path = plan?.targets.has(id) ? undefined : byId.get(id)
        return path ? [release(path, nowMs)] : []
      })
      if (plan) plans.set(node, plan)
      else plans.delete(node)
      for (const [id, { target, windowSeconds, ...rest }] of plan?.targets ?? []) {
        const staleAfterMs = Math.max(MIN_STALE_MS, STALE_WINDOWS * windowSeconds * 1000)
        add(id, target, { ...rest, staleAfterMs })
      }
      return released
    },
    /** Deletes paths that were removed two minutes ago, and interfaces without paths. */
    deleteReleased: (nowMs: number): void => {
      const used = new Set<InterfaceWindow>()
      for (const path of byId.values()) {
        if (path.releasedMs !== undefined && nowMs - path.releasedMs > RELEASED_RETENTION_MS) {
          byId.delete(path.id)
          recent.release(path.row)
        } else used.add(path.sourceWindow).add(path.destinationWindow)
      }
      for (const [key, window] of interfaces) if (!used.has(window)) interfaces.delete(key)
    },
  }
}

export type Paths = ReturnType<typeof createPaths>

/** Returns the current state of a path: STALE when it is not measured now, otherwise what its windows have shown. */
const stateOf = (path: MeshPath, delivers: boolean, nowMs: number): PathState => {
  const { state, lastEndMs } = path.health
  if (state === PathState.PATH_STATE_UNSPECIFIED) return state
  const isCurrent = delivers && path.releasedMs === undefined && nowMs - lastEndMs <= path.staleAfterMs
  return isCurrent ? state : PathState.PATH_STATE_STALE
}

/** Returns zero for each state. */
export const noCounts = (): PathCounts => ({
  [PathState.PATH_STATE_UNSPECIFIED]: 0,
  [PathState.UNRECOGNIZED]: 0,
  [PathState.PATH_STATE_UP]: 0,
  [PathState.PATH_STATE_LOSSY]: 0,
  [PathState.PATH_STATE_DOWN]: 0,
  [PathState.PATH_STATE_STALE]: 0,
})

const isBad = (state: PathState): boolean =>
  state === PathState.PATH_STATE_DOWN || state === PathState.PATH_STATE_LOSSY
const isMeasured = (state: PathState): boolean => isBad(state) || state === PathState.PATH_STATE_UP
const isAny = (): boolean => true

/** Returns the current states of the paths, from their windows and from whether their agents deliver. */
export const createPathStates = (deps: {
  clock: Clock
  paths: Pick<Paths, 'all' | 'probed'>
  agents: {
    delivers: (node: string) => boolean
    /** Returns why a node cannot probe from an interface; empty when it can. */
    interfaceProblem: (node: string, name: string) => string
    /** Returns the paths that a node does not probe, and why. */
    pathProblems: (node: string) => ReadonlyMap<number, string>
  }
  runLoad: Pick<RunLoad, 'overlaps'>
}) => {
  const { clock, paths, agents, runLoad } = deps
  const delivers = ({ source: { node, interface: name } }: MeshPath): boolean =>
    agents.delivers(node) && agents.interfaceProblem(node, name) === ''
  const stateAt = (path: MeshPath, nowMs: number): PathState =>
    stateOf(path, delivers(path) && !agents.pathProblems(path.source.node).has(path.id), nowMs)
  const statesOf = (all: Iterable<MeshPath>, isWanted: (state: PathState) => boolean): MeasuredPath[] => {
    const now = clock.now().getTime()
    const found: MeasuredPath[] = []
    // Paths of one interface follow each other, because a plan adds all of them.
    let source: InterfaceWindow | undefined
    let isDelivered = false
    let problems: ReadonlyMap<number, string> = new Map()
    for (const path of all) {
      if (path.sourceWindow !== source) {
        source = path.sourceWindow
        isDelivered = delivers(path)
        problems = agents.pathProblems(path.source.node)
      }
      const state = stateOf(path, isDelivered && !problems.has(path.id), now)
      if (isWanted(state)) found.push({ path, state, isLoaded: runLoad.overlaps(path, now - MINUTE_MS, now) })
    }
    return found
  }
  return {
    all: (): MeasuredPath[] => statesOf(paths.all(), isAny),
    /** Returns the paths that are UP, LOSSY or DOWN. */
    measured: (): MeasuredPath[] => statesOf(paths.probed(), isMeasured),
    /** Returns whether any path is DOWN or LOSSY. Called every second, so it builds no list. */
    hasBad: (): boolean => {
      const now = clock.now().getTime()
      for (const path of paths.probed()) {
        if (isBad(path.health.state) && isBad(stateAt(path, now))) return true
      }
      return false
    },
    /** Returns the number of probed paths in each state, by mesh. */
    countsByMesh: (): Map<string, PathCounts> => {
      const now = clock.now().getTime()
      const byMesh = new Map<string, PathCounts>()
      for (const path of paths.probed()) {
        const counts = byMesh.get(path.mesh) ?? noCounts()
        byMesh.set(path.mesh, counts)
        counts[stateAt(path, now)]++
      }
      return byMesh
    },
    /** Returns the interfaces of which no path is observed in a direction, such as `node-3 net1 sends`. */
    unobserved: (): string[] => {
      const now = clock.now().getTime()
      const seen = new Map<string, boolean>()
      for (const path of paths.probed()) {
        const isObserved = stateAt(path, now) !== PathState.PATH_STATE_STALE
        for (const key of [
          `${interfaceKey(path.source)} sends`,
          `${interfaceKey(path.destination)} receives`,
        ])
          seen.set(key, isObserved || seen.get(key) === true)
      }
      return [...seen].flatMap(([key, isObserved]) => (isObserved ? [] : [key]))
    },
  }
}

export type PathStates = ReturnType<typeof createPathStates>
