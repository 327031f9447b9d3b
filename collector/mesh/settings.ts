import type { MeshGroup } from '#proto/meshgauge/agent/v1/ping.ts'
import { type MeshSpec, MeshSpec as MeshSpecMessage } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Violation } from '../../lib/errors.ts'
import { fromDuration, toDuration } from '../../lib/protobuf-time.ts'

/** A MeshSpec with its defaults filled in; times in seconds. */
export type MeshSettings = {
  spec: MeshSpec
  /** How a target is probed; the same for all of a mesh. */
  probe: Omit<MeshGroup, 'interface' | 'targets'>
  intervalSeconds: number
  windowSeconds: number
  /** More nodes than this take turns as peers. */
  fullMeshLimit: number
  /** Peers of a node at a time in a large fleet. */
  shiftCount: number
  epochSeconds: number
}

/** As MeshSpec promises. */
const DEFAULTS = {
  intervalSeconds: 1,
  timeoutSeconds: 0.5,
  windowSeconds: 10,
  fullMeshLimit: 200,
  shiftCount: 21,
  epochSeconds: 60,
}

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

export const readMeshSpec = (given: MeshSpec): MeshSettings => {
  const spec = MeshSpecMessage.fromPartial(given)
  const intervalSeconds = fromDuration(spec.interval) ?? DEFAULTS.intervalSeconds
  return {
    spec,
    probe: {
      engine: spec.engine || 'fping',
      interval: toDuration(intervalSeconds),
      timeout: toDuration(fromDuration(spec.timeout) ?? DEFAULTS.timeoutSeconds),
      sizeBytes: spec.sizeBytes,
      dontFragment: spec.dontFragment,
      tos: spec.tos,
    },
    intervalSeconds,
    windowSeconds: fromDuration(spec.window) ?? DEFAULTS.windowSeconds,
    fullMeshLimit: spec.fullMeshLimit || DEFAULTS.fullMeshLimit,
    shiftCount: spec.shiftCount || DEFAULTS.shiftCount,
    epochSeconds: fromDuration(spec.epoch) ?? DEFAULTS.epochSeconds,
  }
}
