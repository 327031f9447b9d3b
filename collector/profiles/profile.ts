import type { Profile } from '#proto/meshgauge/collector/v1/profile.ts'
import { ConfigError, parseConfig } from '../../lib/config.ts'
import { stepsOf } from './resolve.ts'
import { reviewProfile } from './review.ts'
import { profileSchema } from './schema.ts'

/** Larger than any profile that a person wrote; YAML can be made to cost far more than its length. */
const MAX_BYTES = 256 * 1024

/**
 * A profile from its text, with the runs it is made of.
 * @throws ConfigError with every problem and its place
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
