/** Whether one run of a check looked at as much as another one did: only then may its pass clear the other's finding. */

/** What a check was asked with, as google.protobuf.Struct. */
export type Parameters = Readonly<Record<string, unknown>>

/** How heavy a check is: each level includes those below. A check without levels has one. */
const LEVEL = 'level'

/** Parameters that pick a part of what a check looks at; without them it looks at all. */
const PARTS: ReadonlySet<string> = new Set(['interfaces', 'targets', 'tests'])

/** Parameters that say when and how patiently to look, not at what. */
const MANNER: ReadonlySet<string> = new Set(['force', 'timeout'])

export const levelOf = (parameters: Parameters): number => {
  const level = Number(parameters[LEVEL] ?? 1)
  return Number.isFinite(level) ? level : 1
}

/** The same text for the same JSON value, whatever the order of its keys. */
const canonical = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`).join(',')}}`
}

const coversPart = (later: unknown, earlier: unknown): boolean => {
  if (later === undefined) return true
  if (earlier === undefined || !Array.isArray(later) || !Array.isArray(earlier)) return false
  const seen = new Set(later.map(canonical))
  return earlier.every((item) => seen.has(canonical(item)))
}

/** What distinguishes runs of a check besides level, parts and manner, such as thresholds: these must be the same. */
const expectationsOf = (parameters: Parameters): string => {
  const rest = Object.entries(parameters).filter(
    ([key, value]) => key !== LEVEL && value !== undefined && !PARTS.has(key) && !MANNER.has(key),
  )
  return canonical(Object.fromEntries(rest))
}

/** Whether a run with `later` looks at everything that one with `earlier` looked at, as closely, by the same rules. */
export const covers = (later: Parameters, earlier: Parameters): boolean =>
  levelOf(later) >= levelOf(earlier) &&
  [...PARTS].every((part) => coversPart(later[part], earlier[part])) &&
  expectationsOf(later) === expectationsOf(earlier)

/** The parameters in a few words, such as ` with level=3 interfaces=["net0"]`; empty for none that matter. */
export const describeParameters = (parameters: Parameters): string => {
  const words = Object.entries(parameters)
    .filter(([key, value]) => value !== undefined && !MANNER.has(key))
    .map(([key, value]) => {
      const text = canonical(value)
      return `${key}=${text.length > 80 ? `${text.slice(0, 77)}...` : text}`
    })
  return words.length > 0 ? ` with ${words.join(' ')}` : ''
}
