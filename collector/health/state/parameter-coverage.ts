/** Whether one run of a check examined as much as another. Only then can its pass clear the findings of the other. */

import { type CheckParameters, canonicalJson, EXECUTION_PARAMETERS } from '../assign/check-parameters.ts'

/** How thorough a check is: each level includes those below. A check without levels has level 1. */
const LEVEL = 'level'

/** Parameters that select a part of what a check examines. Without them it examines everything. */
const SELECTING_PARAMETERS: ReadonlySet<string> = new Set(['interfaces', 'targets', 'tests'])

export const levelOf = (parameters: CheckParameters): number => {
  const level = Number(parameters[LEVEL] ?? 1)
  return Number.isFinite(level) ? level : 1
}

const coversSelection = (later: unknown, earlier: unknown): boolean => {
  if (later === undefined) return true
  if (earlier === undefined || !Array.isArray(later) || !Array.isArray(earlier)) return false
  const examined = new Set(later.map(canonicalJson))
  return earlier.every((item) => examined.has(canonicalJson(item)))
}

/** The remaining parameters, such as thresholds. They must be equal. */
const thresholdsOf = (parameters: CheckParameters): string => {
  const rest = Object.entries(parameters).filter(
    ([key, value]) =>
      key !== LEVEL &&
      value !== undefined &&
      !SELECTING_PARAMETERS.has(key) &&
      !EXECUTION_PARAMETERS.has(key),
  )
  return canonicalJson(Object.fromEntries(rest))
}

/**
 * Whether a run with the parameters `later` examines everything that a run with `earlier` examined, at the same or a
 * higher level and with the same thresholds.
 */
export const coversParameters = (later: CheckParameters, earlier: CheckParameters): boolean =>
  levelOf(later) >= levelOf(earlier) &&
  [...SELECTING_PARAMETERS].every((key) => coversSelection(later[key], earlier[key])) &&
  thresholdsOf(later) === thresholdsOf(earlier)
