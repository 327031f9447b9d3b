import { MESH_DEFAULTS } from '../../../lib/test-defaults.ts'
import type { MeshSpec } from './mesh-spec.ts'

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

/** Returns the time between two probes of one path, in seconds, for a node with this number of peers. */
export const intervalOf = (spec: MeshSpec, peerCount: number): number => {
  if (spec.intervalSeconds !== undefined) return spec.intervalSeconds
  if (spec.engine !== 'fping') return OTHER_ENGINES_SECONDS
  // A long timeout needs a long interval: otherwise too many probes of a dead path are open at once.
  const min = spec.timeoutSeconds / MAX_OPEN_PROBES
  const possible = INTERVALS_SECONDS.filter((seconds) => seconds >= min)
  return possible.find((seconds) => peerCount / seconds >= PROBES_PER_SECOND) ?? possible.at(-1) ?? 1
}

/** Returns the requested window length of a mesh in seconds. */
export const requestedWindowOf = ({ windowSeconds }: MeshSpec): number =>
  windowSeconds ?? MESH_DEFAULTS.windowSeconds

/** Returns the window length in seconds: the requested one, or a longer one that keeps WINDOWS_PER_SECOND. */
export const windowFor = (requestedSeconds: number, pathCount: number): number => {
  if (pathCount / requestedSeconds <= WINDOWS_PER_SECOND) return requestedSeconds
  const longer = WINDOWS_SECONDS.filter((seconds) => seconds > requestedSeconds)
  return (
    longer.find((seconds) => pathCount / seconds <= WINDOWS_PER_SECOND) ?? longer.at(-1) ?? requestedSeconds
  )
}

/** Returns a message when the windows are longer than the spec requests; empty otherwise. */
export const windowProblems = ({ windowSeconds }: MeshSpec, pathCount: number): string[] => {
  if (windowSeconds === undefined) return []
  const seconds = windowFor(windowSeconds, pathCount)
  if (seconds === windowSeconds) return []
  const rate = Math.round(pathCount / windowSeconds)
  return [
    `windows are ${seconds} s long instead of ${windowSeconds} s: ${rate} windows per second exceed the limit of ${WINDOWS_PER_SECOND} per collector`,
  ]
}
