import { ENGINES } from '../../../lib/engines.ts'
import type { Violation } from '../../../lib/errors.ts'
import { MESH_DEFAULTS } from '../../../lib/test-defaults.ts'

/** What a ping mesh probes and how, with all defaults filled in that do not depend on the fleet. */
export type MeshSpec = {
  /** Node selectors. Empty selects all nodes. */
  nodes: string[]
  /** Empty selects all interfaces that tests use. */
  interfaces: string[]
  engine: string
  /** Time between two probes of a path. Undefined: `intervalOf` chooses it by the number of peers. */
  intervalSeconds: number | undefined
  timeoutSeconds: number
  /** Payload. Undefined for engine tcp, which sends none. */
  sizeBytes: number | undefined
  dontFragment: boolean
  tos: number | undefined
  /** Length of the windows. Undefined: 10 s, longer where all paths would have too many windows. */
  windowSeconds: number | undefined
  /** Up to this number of nodes every pair is probed all the time; larger fleets rotate their peers. */
  fullMeshLimit: number
  /** Peers per node and epoch in a fleet that rotates. */
  shiftCount: number
  epochSeconds: number
}

/** Documented in the message MeshSpec. */
const DEFAULTS = {
  fullMeshLimit: 200,
  shiftCount: 21,
  epochSeconds: 60,
}

type Stated<T> = { [K in keyof T]?: T[K] | undefined }

/** Returns the spec with defaults for all fields that are not stated. */
export const createMeshSpec = (stated: Stated<MeshSpec> = {}): MeshSpec => {
  const engine = stated.engine || MESH_DEFAULTS.engine
  return {
    nodes: stated.nodes ?? [],
    interfaces: stated.interfaces ?? [],
    engine,
    intervalSeconds: stated.intervalSeconds,
    timeoutSeconds: stated.timeoutSeconds ?? MESH_DEFAULTS.timeoutSeconds,
    // A TCP connection has no payload.
    sizeBytes: stated.sizeBytes ?? (engine === 'tcp' ? undefined : MESH_DEFAULTS.sizeBytes),
    dontFragment: stated.dontFragment ?? false,
    tos: stated.tos,
    windowSeconds: stated.windowSeconds,
    fullMeshLimit: stated.fullMeshLimit || DEFAULTS.fullMeshLimit,
    shiftCount: stated.shiftCount || DEFAULTS.shiftCount,
    epochSeconds: stated.epochSeconds ?? DEFAULTS.epochSeconds,
  }
}

const PING_ENGINES: readonly string[] = ENGINES.ping

/** Allowed values in seconds. They keep the probing light and the results recent. */
const BOUNDS = [
  { field: 'interval', key: 'intervalSeconds', min: 0.01, max: 60 },
  { field: 'timeout', key: 'timeoutSeconds', min: 0.001, max: 10 },
  { field: 'window', key: 'windowSeconds', min: 1, max: 60 },
  { field: 'epoch', key: 'epochSeconds', min: 10, max: 86_400 },
] as const

/** Returns all errors of a spec that can be found without knowing the fleet. */
export const checkMeshSpec = (spec: MeshSpec): Violation[] => {
  const violations: Violation[] = []
  if (!PING_ENGINES.includes(spec.engine)) {
    violations.push({
      field: 'engine',
      description: `"${spec.engine}" is none of ${PING_ENGINES.join(', ')}`,
    })
  }
  for (const { field, key, min, max } of BOUNDS) {
    const seconds = spec[key]
    if (seconds === undefined || (seconds >= min && seconds <= max)) continue
    violations.push({ field, description: `${seconds} s is not within ${min} s to ${max} s` })
  }
  if (spec.shiftCount % 2 === 0) {
    violations.push({ field: 'shift_count', description: `${spec.shiftCount} is even; use an odd number` })
  }
  if (spec.tos !== undefined && spec.tos > 255) {
    violations.push({ field: 'tos', description: `${spec.tos} is not within 0 to 255` })
  }
  return violations
}
