import { ConfigError, parseConfig } from '../../lib/config.ts'
import { type ProfileStep, stepsOf } from './resolve.ts'
import { reviewProfile } from './review.ts'
import { profileSchema } from './schema.ts'

/** Larger than any real profile. A hostile YAML text can need much more memory than its length. */
const MAX_BYTES = 256 * 1024

/** A named set of tests with the values that they must reach. */
export type Profile = {
  name: string
  description: string
  version: string
  /** The text from which it was read. */
  yaml: string
  steps: ProfileStep[]
}

/**
 * Parses a profile into its runs.
 * @throws ConfigError with the location of every problem
 */
export const readProfile = (file: string, yaml: string): Profile => {
  if (yaml.length > MAX_BYTES) {
    const message = `is longer than ${MAX_BYTES} characters, which no profile needs`
    throw new ConfigError(file, [{ line: 1, column: 1, path: '', message }])
  }
  const parsed = parseConfig(file, yaml, profileSchema, reviewProfile)
  const { name, description, version } = parsed
  return { name, description, version, yaml, steps: stepsOf(parsed) }
}
