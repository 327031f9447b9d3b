import { z } from 'zod'
import { configSchema } from '../inventory/config.ts'
import { SCHEDULE_SECTION } from '../schedules/define/schema.ts'
import { CONFIG_KEYS, type ConfigKey } from './keys.ts'

/** A JSON Schema, as far as the config has one. */
export type JsonSchema = {
  type?: string
  enum?: unknown[]
  anyOf?: JsonSchema[]
  properties?: Record<string, JsonSchema>
  required?: string[]
  items?: JsonSchema
  default?: unknown
  description?: string
  examples?: unknown[]
}

/** One key of the config with its path, such as `schedules[].budget.bytes`, and its schema. */
export type ConfigEntry = { path: string; schema: JsonSchema; isRequired: boolean }

/** Calls `visit` for each key, a parent before its children. */
const visitKeys = (schema: JsonSchema, at: string, visit: (entry: ConfigEntry) => void): void => {
  if (schema.items) visitKeys(schema.items, `${at}[]`, visit)
  for (const [key, child] of Object.entries(schema.properties ?? {})) {
    const path = at === '' ? key : `${at}.${key}`
    visit({ path, schema: child, isRequired: schema.required?.includes(key) ?? false })
    visitKeys(child, path, visit)
  }
}

/** The keys of a test: a schedule, a profile and the defaults of a profile have the same ones. */
const TEST_PATHS = /^(?:schedules\[\]\.run|profiles\[\]\.tests\[\]|profiles\[\]\.global)\./

/** The name of a key in CONFIG_KEYS. Expectations have the same keys wherever they occur. */
export const keyOf = (path: string): string =>
  path.replace(TEST_PATHS, 'test.').replace(/^(?:test|profiles\[\])\.expectations\./, 'expectations.')

/** Values that the config has as text, and that a zod schema parses from anything. */
const TEXT_EXAMPLES: Readonly<Record<NonNullable<ConfigKey['text']>, unknown[]>> = {
  duration: ['10s', '5m', '1h', '30d'],
  size: ['64M', '4G'],
}

/** Adds what a JSON Schema of a parsed text cannot have: its type, and the meaning of each key. */
const describeKeys = (root: JsonSchema): void =>
  visitKeys(root, '', ({ path, schema }) => {
    const key = CONFIG_KEYS[keyOf(path)]
    if (!key) return
    schema.description = key.meaning
    if (!key.text) return
    schema.examples = TEXT_EXAMPLES[key.text]
    if (!schema.anyOf) schema.type = 'string'
  })

/** Returns the JSON Schema of the collector's config file, for editors. */
export const configJsonSchema = (): JsonSchema => {
  const schema = z.toJSONSchema(configSchema(SCHEDULE_SECTION), {
    io: 'input',
    unrepresentable: 'any',
    reused: 'inline',
  }) as JsonSchema
  describeKeys(schema)
  return { ...schema, description: "The configuration of meshgauge's collector." }
}

/** Returns all keys of the config, in the order of the schema. */
export const configEntries = (): ConfigEntry[] => {
  const entries: ConfigEntry[] = []
  visitKeys(configJsonSchema(), '', (entry) => entries.push(entry))
  return entries
}
