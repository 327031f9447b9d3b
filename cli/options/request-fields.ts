/** The options and arguments that fill the fields of a request, so that an error of the collector names what was typed. */

import type { Problem } from '../command-errors.ts'

/** Places on the command line by the start of a field's path, the longest first. */
const PLACES: readonly (readonly [field: string, places: readonly string[]])[] = [
  ['topology.kind', ['TOPOLOGY']],
  ['topology.nodes', ['--nodes']],
  ['topology.clients', ['--matrix', '--clients']],
  ['topology.servers', ['--matrix', '--servers']],
  ['topology.center', ['--center']],
  ['topology.shift_count', ['--shifts']],
  ['topology.pairs', ['--pairs']],
  ['interfaces', ['--interface']],
  ['interface', ['--interface']],
  ['expectations', ['--expect']],
  ['host_sampling', ['--sample-hosts']],
  ['test.iperf.engine', ['--engine']],
  ['test.ping.engine', ['--engine']],
  ['test', ['--test']],
  ['checks', ['--checks', 'CHECK']],
  ['nodes', ['--nodes', 'SELECTOR']],
]

const isUnder = (path: string, field: string): boolean =>
  path === field || path.startsWith(`${field}.`) || path.startsWith(`${field}[`)

/** What the user typed, if that is known. */
export type Typed = {
  /** The options with a value, as flags such as `--nodes`. */
  given: ReadonlySet<string>
  /** The options and arguments that the command has. */
  known: ReadonlySet<string>
}

/** The option or argument for a field of a request; the field itself if the command has none for it. */
export const placeOf = (field: string, { given, known }: Typed): string => {
  const path = field.replace(/^spec\./, '').replace(/^run\./, '')
  const places = PLACES.find(([start]) => isUnder(path, start))?.[1] ?? []
  return (
    places.find((place) => given.has(place)) ??
    places.find((place) => known.has(place) && place !== '--matrix') ??
    field
  )
}

/** Adds the problems that the collector found, except at places that have one already. */
export const mergeProblems = (problems: Problem[], found: readonly Problem[]): void => {
  const places = new Set(problems.map(({ place }) => place))
  problems.push(...found.filter(({ place }) => !places.has(place)))
}
