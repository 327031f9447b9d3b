import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Endpoint } from '#proto/meshgauge/collector/v1/result.ts'
import type { PathKey } from '../../store/windows.ts'
import type { Target } from '../assign/assignment.ts'
import { createInterfaceWindow, type InterfaceWindow } from './interface-window.ts'
import { createPathHealth, type PathHealth } from './path-state.ts'
import { createRecent } from './recent-window.ts'

/** One path that is probed, or was until lately. */
export type MeshPath = {
  readonly id: number
  readonly source: Endpoint
  destination: Endpoint
  /** The mesh that wants it; of several the first. */
  mesh: string
  /** A path without windows for so long is not measured. */
  patienceMs: number
  /** Between two probes of it. */
  intervalSeconds: number
  /** ICMP echo requests that it sends a second; 0 when it is probed by other means. */
  echoesPerSecond: number
  readonly health: PathHealth
  /** Its place in the table of the last minute. */
  readonly row: number
  readonly from: InterfaceWindow
  readonly to: InterfaceWindow
  /** Why probes were lost, in words, where something said so. */
  reason: string
  /** When its state changed, of the last hour, at most so many. */
  changes: number[]
  /** When it was last told to be measured. */
  toldMs: number
  /** When it was taken from its source; undefined while it is probed. */
  releasedMs: number | undefined
}

/** One path as it is measured now. */
export type Measured = {
  path: MeshPath
  state: PathState
  /** A run of our own filled one of its interfaces within the last minute: its round-trip times say nothing. */
  isLoaded: boolean
}

/** What a path was before this collector started. */
export type KnownState = { state: PathState; timeMs: number }

const endKey = (node: string, name: string): string => `${node} ${name}`

/** Held windows of a path that was taken away may come until here; then it is forgotten. */
const REMEMBER_MS = 120_000

/** The paths of all meshes, and the interfaces at their ends. */
export const createPaths = (deps: {
  random: () => number
  stateBefore: (key: PathKey) => KnownState | undefined
}) => {
  const byId = new Map<number, MeshPath>()
  const ends = new Map<string, InterfaceWindow>()
  const recent = createRecent(deps.random)

  const endOf = (node: string, name: string): InterfaceWindow => {
    const key = endKey(node, name)
    const end = ends.get(key) ?? createInterfaceWindow(node, name)
    ends.set(key, end)
    return end
  }
  const create = (id: number, { key, from, address }: Target): MeshPath => {
    const known = deps.stateBefore(key)
    const health = createPathHealth(known?.state)
    health.stateMs = known?.timeMs ?? 0
    return {
      id,
      source: { node: key.source, interface: key.interface, address: from },
      destination: { node: key.destination, interface: key.interface, address },
      mesh: '',
      patienceMs: 0,
      intervalSeconds: 1,
      echoesPerSecond: 0,
      health,
      row: recent.take(),
      from: endOf(key.source, key.interface),
      to: endOf(key.destination, key.interface),
      reason: '',
      changes: [],
      toldMs: 0,
      releasedMs: undefined,
    }
  }

  return {
    recent,
    get: (id: number): MeshPath | undefined => byId.get(id),
    all: (): Iterable<MeshPath> => byId.values(),
    count: (): number => byId.size,
    ends: (): ReadonlyMap<string, InterfaceWindow> => ends,
    end: (node: string, name: string): InterfaceWindow | undefined => ends.get(endKey(node, name)),
    /** The path of a target that is probed from now on. */
    take: (
      id: number,
      target: Target,
      given: Pick<MeshPath, 'mesh' | 'patienceMs' | 'intervalSeconds' | 'echoesPerSecond'>,
    ): void => {
      const path = byId.get(id) ?? create(id, target)
      byId.set(id, path)
      Object.assign(path, given)
      path.releasedMs = undefined
      if (path.destination.address !== target.address) {
        path.destination = { ...path.destination, address: target.address }
      }
    },
    /** Forgets what was taken away a while ago, and interfaces that no path has any more. */
    tidy: (nowMs: number): void => {
      const used = new Set<InterfaceWindow>()
      for (const path of byId.values()) {
        if (path.releasedMs !== undefined && nowMs - path.releasedMs > REMEMBER_MS) {
          byId.delete(path.id)
          recent.release(path.row)
        } else used.add(path.from).add(path.to)
      }
      for (const [key, end] of ends) if (!used.has(end)) ends.delete(key)
    },
  }
}

export type Paths = ReturnType<typeof createPaths>

/** How a path is now: what is not measured now is STALE, whatever it was. */
export const stateOf = (path: MeshPath, delivers: boolean, nowMs: number): PathState => {
  const { state, lastEndMs } = path.health
  if (state === PathState.PATH_STATE_UNSPECIFIED) return state
  const isMeasured = delivers && path.releasedMs === undefined && nowMs - lastEndMs <= path.patienceMs
  return isMeasured ? state : PathState.PATH_STATE_STALE
}
