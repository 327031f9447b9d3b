import type { MeshGroup } from '#proto/meshgauge/agent/v1/ping.ts'
import { type MeshSpec, MeshSpec as MeshSpecMessage } from '#proto/meshgauge/collector/v1/mesh.ts'
import { ENGINES } from '../../../lib/engines.ts'
import type { Violation } from '../../../lib/errors.ts'
import { fromDuration, toDuration } from '../../../lib/protobuf-time.ts'
import { MESH_DEFAULTS } from '../../../lib/test-defaults.ts'

/** A MeshSpec with all defaults filled in. Times are in seconds. */
export type MeshSettings = {
  spec: MeshSpec
  /** Probe parameters that are the same for all targets. */
  probe: Omit<MeshGroup, 'interface' | 'targets' | 'interval'>
  /** Time between two probes of a path; when undefined, `intervalOf` chooses it. */
  intervalSeconds: number | undefined
  windowSeconds: number
  /** Up to this number of nodes every pair is probed all the time; larger fleets rotate their peers. */
  fullMeshLimit: number
  /** Peers per node and epoch in a fleet that rotates. */
  shiftCount: number
  epochSeconds: number
}

/** Documented in MeshSpec. */
const DEFAULTS = {
  fullMeshLimit: 200,
  shiftCount: 21,
  epochSeconds: 60,
}

/**
 * Minimum number of probes that a node sends per second from one interface. It receives about as many, and with more
 * than 100 probes per second in both directions, 1 % loss shows within seconds.
 */
const PROBES_PER_SECOND = 60
/** The longest of these that reaches PROBES_PER_SECOND is used. A few fixed values: a new node rarely changes it. */
const INTERVALS_SECONDS = [1, 0.5, 0.2, 0.1, 0.05]
/** Maximum number of unanswered probes per path. An agent tracks at most twice as many. */
const MAX_OPEN_PROBES = 10
/** Interval of engines other than fping, which need a process or a connection for each probe. */
const OTHER_ENGINES_SECONDS = 1

/** Windows per second that one collector processes with two thirds of a core. */
const WINDOWS_PER_SECOND = 25_000
/** A few fixed values: a growing fleet rarely changes it. 60 s is enough for more than a million paths. */
const WINDOWS_SECONDS = [1, 2, 5, 10, 20, 30, 60]

const PING_ENGINES: readonly string[] = ENGINES.ping

type Bounded = 'interval' | 'timeout' | 'window' | 'epoch'

/** Allowed values in seconds. They keep the probing light and the results recent. */
const BOUNDS: Record<Bounded, { min: number; max: number }> = {
  interval: { min: 0.01, max: 60 },
  timeout: { min: 0.001, max: 10 },
  window: { min: 1, max: 60 },
  epoch: { min: 10, max: 86_400 },
}

/** Returns all errors of a spec that can be found without knowing the fleet. */
export const checkMeshSpec = (spec: MeshSpec): Violation[] => {
  const violations: Violation[] = []
  if (spec.engine !== '' && !PING_ENGINES.includes(spec.engine)) {
    violations.push({
      field: 'engine',
      description: `"${spec.engine}" is none of ${PING_ENGINES.join(', ')}`,
    })
  }
  for (const [name, { min, max }] of Object.entries(BOUNDS)) {
    const seconds = fromDuration(spec[name as Bounded])
    if (seconds === undefined || (seconds >= min && seconds <= max)) continue
    violations.push({ field: name, description: `${seconds} s is not within ${min} s to ${max} s` })
  }
  if (spec.shiftCount !== 0 && spec.shiftCount % 2 === 0) {
    violations.push({ field: 'shift_count', description: `${spec.shiftCount} is even; use an odd number` })
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

/** Returns the settings of a valid spec, with defaults for everything that it leaves out. */
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

/** Returns the time between two probes of one path, in seconds, for a node with this number of peers. */
export const intervalOf = ({ intervalSeconds, probe }: MeshSettings, peerCount: number): number => {
  if (intervalSeconds !== undefined) return intervalSeconds
  if (probe.engine !== 'fping') return OTHER_ENGINES_SECONDS
  // A long timeout needs a long interval: otherwise too many probes of a dead path are open at once.
  const min = (fromDuration(probe.timeout) ?? 0) / MAX_OPEN_PROBES
  const possible = INTERVALS_SECONDS.filter((seconds) => seconds >= min)
  return possible.find((seconds) => peerCount / seconds >= PROBES_PER_SECOND) ?? possible.at(-1) ?? 1
}

/** Returns the window length in seconds: the requested one, or a longer one that keeps WINDOWS_PER_SECOND. */
export const windowFor = (requestedSeconds: number, pathCount: number): number => {
  if (pathCount / requestedSeconds <= WINDOWS_PER_SECOND) return requestedSeconds
  const longer = WINDOWS_SECONDS.filter((seconds) => seconds > requestedSeconds)
  return (
    longer.find((seconds) => pathCount / seconds <= WINDOWS_PER_SECOND) ?? longer.at(-1) ?? requestedSeconds
  )
}

/** Returns a message when the windows are longer than the spec requests; empty otherwise. */
export const windowProblems = ({ spec, windowSeconds }: MeshSettings, pathCount: number): string[] => {
  const seconds = windowFor(windowSeconds, pathCount)
  if (spec.window === undefined || seconds === windowSeconds) return []
  const rate = Math.round(pathCount / windowSeconds)
  return [
    `windows are ${seconds} s long instead of ${windowSeconds} s: ${rate} windows per second exceed the limit of ${WINDOWS_PER_SECOND} per collector`,
  ]
}
