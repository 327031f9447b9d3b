import type { Profile } from '#proto/meshgauge/collector/v1/profile.ts'
import { ConfigError, parseConfig } from '../../lib/config.ts'
import { stepsOf } from './resolve.ts'
import { reviewProfile } from './review.ts'
import { profileSchema } from './schema.ts'

/** Larger than any real profile. A hostile YAML text can need much more memory than its length. */
const MAX_BYTES = 256 * 1024

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
