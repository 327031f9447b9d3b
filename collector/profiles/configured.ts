/** The profiles of the collector's config, in addition to the built-in ones. */

import { parse, stringify } from 'yaml'
import type { ReviewProblem } from '../../lib/config.ts'
import { isProfileFile } from '../../lib/profile-file.ts'
import type { NamedNodes } from '../inventory/config.ts'
import { BUILT_IN_NAMES, readBuiltIns } from './built-ins.ts'
import { type Profile, readProfile } from './profile.ts'
import { reviewProfile } from './review.ts'

type Raw = { profiles?: unknown }

const listOf = (raw: unknown): unknown[] => {
  const { profiles } = (raw ?? {}) as Raw
  return Array.isArray(profiles) ? profiles : []
}
const nameOf = (entry: unknown): string | undefined => {
  const name = (entry as { name?: unknown } | null)?.name
  return typeof name === 'string' ? name : undefined
}

/** Returns the names that a schedule of the config may use: built-in profiles and those of the config. */
export const knownNames = (raw: unknown): string[] => [
  ...new Set([...BUILT_IN_NAMES, ...listOf(raw).flatMap((entry) => nameOf(entry) ?? [])]),
]

/** Checks the config's profiles across keys, and for names that are in use. */
export const reviewConfiguredProfiles = (raw: unknown): ReviewProblem[] => {
  const first = new Map<string, number>()
  return listOf(raw).flatMap((entry, index): ReviewProblem[] => {
    const problems = reviewProfile(entry).map(({ path, message, also }) => ({
      path: ['profiles', index, ...path],
      message,
      ...(also ? { also: ['profiles', index, ...also] } : {}),
    }))
    const name = nameOf(entry)
    const path = ['profiles', index, 'name']
    if (name === undefined) return problems
    if (BUILT_IN_NAMES.some((each) => each === name))
      problems.push({ path, message: `${name} is the name of a built-in profile` })
    if (isProfileFile(name))
      problems.push({ path, message: 'would be taken for a file; leave / \\ and .yaml out of it' })
    const before = first.get(name)
    if (before === undefined) first.set(name, index)
    else
      problems.push({
        path,
        message: `${name} is also the name of another profile`,
        also: ['profiles', before, 'name'],
      })
    return problems
  })
}

/** Returns the node selectors of a test or of `global`. The raw content may have any type. */
export const namedByTest = (raw: unknown, at: readonly PropertyKey[]): NamedNodes[] => {
  const test = (raw ?? {}) as Record<string, unknown>
  const listed = (key: string): unknown[] => {
    const list = test[key]
    return Array.isArray(list) ? list : []
  }
  return [
    ...['nodes', 'clients', 'servers'].flatMap((key) =>
      listed(key).map((selector, position) => ({ path: [...at, key, position], selector })),
    ),
    ...(test.center === undefined ? [] : [{ path: [...at, 'center'], selector: test.center }]),
    ...listed('pairs').flatMap((pair, position) =>
      (typeof pair === 'string' ? pair.split(':') : []).map((selector) => ({
        path: [...at, 'pairs', position],
        selector,
      })),
    ),
  ]
}

/** Returns the node selectors of the config's profiles. */
export const namedByConfiguredProfiles = (raw: unknown): NamedNodes[] =>
  listOf(raw).flatMap((entry, index) => {
    const { global, tests } = (entry ?? {}) as { global?: unknown; tests?: unknown }
    const at = ['profiles', index]
    return [
      ...namedByTest(global, [...at, 'global']),
      ...(Array.isArray(tests) ? tests : []).flatMap((test: unknown, position) =>
        namedByTest(test, [...at, 'tests', position]),
      ),
    ]
  })

/** Returns the profiles of a valid config, each with its own text. */
export const readConfiguredProfiles = (file: string, text: string): Profile[] =>
  listOf(parse(text)).map((entry) => readProfile(file, stringify(entry)))

/** Returns all profiles by name: the built-in ones, then those of the config, which a reload replaces. */
export const createProfiles = (initial: readonly Profile[]) => {
  const builtIns = readBuiltIns()
  const byName = new Map<string, Profile>()
  const set = (configured: readonly Profile[]): void => {
    byName.clear()
    for (const profile of [...builtIns.values(), ...configured]) byName.set(profile.name, profile)
  }
  set(initial)
  return { byName: byName as ReadonlyMap<string, Profile>, set }
}

export type Profiles = ReturnType<typeof createProfiles>
