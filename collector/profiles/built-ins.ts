import { readFileSync } from 'node:fs'
import { type Profile, readProfile } from './profile.ts'

/** The registry. A built-in profile is one line here and one file of the same name in built-in/. */
export const BUILT_IN_NAMES = [
  'baseline',
  'throughput',
  'latency',
  'jitter',
  'stress',
  'datacenter',
  'cloud',
  'lossy',
] as const

/** Returns the built-in profiles by name, in the order of the registry. */
export const readBuiltIns = (): ReadonlyMap<string, Profile> =>
  new Map(
    BUILT_IN_NAMES.map((name) => {
      const file = `${name}.yaml`
      return [name, readProfile(file, readFileSync(new URL(`built-in/${file}`, import.meta.url), 'utf8'))]
    }),
  )
