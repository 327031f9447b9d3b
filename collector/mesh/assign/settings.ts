import type { MeshGroup } from '#proto/meshgauge/agent/v1/ping.ts'
import { type MeshSpec, MeshSpec as MeshSpecMessage } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Violation } from '../../../lib/errors.ts'
import { fromDuration, toDuration } from '../../../lib/protobuf-time.ts'
import { MESH_DEFAULTS } from '../../../lib/test-defaults.ts'

/** A MeshSpec with its defaults filled in; times in seconds. */
export type MeshSettings = {
  spec: MeshSpec
  /** How a target is probed, but for how often. */
  probe: Omit<MeshGroup, 'interface' | 'targets' | 'interval'>
  /** Between two probes of a path; undefined for as often as `intervalOf` says. */
  intervalSeconds: number | undefined
  windowSeconds: number
  /** More nodes than this take turns as peers. */
  fullMeshLimit: number
  /** Peers of a node at a time in a large fleet. */
  shiftCount: number
  epochSeconds: number
}

/** As MeshSpec promises. */
const DEFAULTS = {
  fullMeshLimit: 200,
  shiftCount: 21,
  epochSeconds: 60,
}

/**
 * Probes that a node sends each second from an interface. About as many are sent to it, and 1 % lost of 100 probes a
 * second shows within seconds.
 */
const PROBES_PER_SECOND = 60
/** Between two probes of a path, the longest that sends so many. Few lengths: one node more seldom changes it. */
const INTERVALS_SECONDS = [1, 0.5, 0.2, 0.1, 0.05]
/** Of one path; an agent keeps account of no more than twice as many. */
const MOST_OPEN_PROBES = 10
/** Other engines than fping have a process or a connection for each probe. */
const OTHER_ENGINES_SECONDS = 1

/** Windows of a second that a collector takes with two thirds of a core. */
const WINDOWS_PER_SECOND = 25_000
/** Few lengths: a fleet that grows changes them seldom. A minute, the longest, is enough for over a million paths. */
const WINDOWS_SECONDS = [1, 2, 5, 10, 20, 30, 60]

const ENGINES = ['fping', 'ping', 'tcp']

type Bounded = 'interval' | 'timeout' | 'window' | 'epoch'

/** Seconds. A mesh is to be light, and its windows and epochs no longer than what anybody waits for. */
const BOUNDS: Record<Bounded, { least: number; most: number }> = {
  interval: { least: 0.01, most: 60 },
  timeout: { least: 0.001, most: 10 },
  window: { least: 1, most: 60 },
  epoch: { least: 10, most: 86_400 },
}

/** Everything that is wrong with a spec by itself; names of nodes and interfaces are the fleet's to know. */
export const checkMeshSpec = (spec: MeshSpec): Violation[] => {
  const violations: Violation[] = []
  if (spec.engine !== '' && !ENGINES.includes(spec.engine)) {
    violations.push({ field: 'engine', description: `"${spec.engine}" is none of ${ENGINES.join(', ')}` })
  }
  for (const [name, { least, most }] of Object.entries(BOUNDS)) {
    const seconds = fromDuration(spec[name as Bounded])
    if (seconds === undefined || (seconds >= least && seconds <= most)) continue
    violations.push({ field: name, description: `${seconds} s is not within ${least} s to ${most} s` })
  }
  if (spec.shiftCount !== 0 && spec.shiftCount % 2 === 0) {
    const description = `${spec.shiftCount} is even; an odd number keeps the two ways of a ring apart`
    violations.push({ field: 'shift_count', description })
  }
  if (spec.tos !== undefined && spec.tos > 255) {
    violations.push({ field: 'tos', description: `${spec.tos} is not within 0 to 255` })
  }
  return violations
}

/**
 * The spec with all defaults filled in. An effective spec stays as it is. An absent interval or window is chosen by the
 * number of peers and paths.
 */
export const effectiveMeshSpec = (given: MeshSpec): MeshSpec => {
  const spec = MeshSpecMessage.fromPartial(given)
  const engine = spec.engine || MESH_DEFAULTS.engine
  return {
    ...spec,
    engine,
    timeout: spec.timeout ?? toDuration(MESH_DEFAULTS.timeoutSeconds),
    // A TCP connection has no payload.
    sizeBytes: spec.sizeBytes ?? (engine === 'tcp' ? undefined : MESH_DEFAULTS.sizeBytes),
    fullMeshLimit: spec.fullMeshLimit || DEFAULTS.fullMeshLimit,
    shiftCount: spec.shiftCount || DEFAULTS.shiftCount,
    epoch: spec.epoch ?? toDuration(DEFAULTS.epochSeconds),
  }
}

export const readMeshSpec = (given: MeshSpec): MeshSettings => {
  const spec = effectiveMeshSpec(given)
  return {
    spec,
    probe: {
      engine: spec.engine,
      timeout: spec.timeout,
      sizeBytes: spec.sizeBytes,
      dontFragment: spec.dontFragment,
      tos: spec.tos,
    },
    intervalSeconds: fromDuration(spec.interval),
    windowSeconds: fromDuration(spec.window) ?? MESH_DEFAULTS.windowSeconds,
    fullMeshLimit: spec.fullMeshLimit,
    shiftCount: spec.shiftCount,
    epochSeconds: fromDuration(spec.epoch) ?? DEFAULTS.epochSeconds,
  }
}

/** How long a node with so many peers waits between two probes of one of them, in seconds. */
export const intervalOf = ({ intervalSeconds, probe }: MeshSettings, peerCount: number): number => {
  if (intervalSeconds !== undefined) return intervalSeconds
  if (probe.engine !== 'fping') return OTHER_ENGINES_SECONDS
  // Who waits long for answers has as many probes open as at a shorter interval.
  const least = (fromDuration(probe.timeout) ?? 0) / MOST_OPEN_PROBES
  const possible = INTERVALS_SECONDS.filter((seconds) => seconds >= least)
  return possible.find((seconds) => peerCount / seconds >= PROBES_PER_SECOND) ?? possible.at(-1) ?? 1
}

/** Windows of so many paths are as long as was asked for, or longer where the collector could not take so many. */
export const windowFor = (askedSeconds: number, pathCount: number): number => {
  if (pathCount / askedSeconds <= WINDOWS_PER_SECOND) return askedSeconds
  const longer = WINDOWS_SECONDS.filter((seconds) => seconds > askedSeconds)
  return longer.find((seconds) => pathCount / seconds <= WINDOWS_PER_SECOND) ?? longer.at(-1) ?? askedSeconds
}

/** What a mesh is told whose windows are longer than it asked for; nothing when they are not. */
export const windowProblems = ({ spec, windowSeconds }: MeshSettings, pathCount: number): string[] => {
  const seconds = windowFor(windowSeconds, pathCount)
  if (spec.window === undefined || seconds === windowSeconds) return []
  const asked = Math.round(pathCount / windowSeconds)
  return [
    `windows are ${seconds} s long and not ${windowSeconds} s: ${asked} a second would be more than the ${WINDOWS_PER_SECOND} that a collector takes`,
  ]
}
