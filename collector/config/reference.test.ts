import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { configEntries, configJsonSchema, keyOf } from './json-schema.ts'
import { CONFIG_KEYS } from './keys.ts'
import { configReference } from './reference.ts'

test('REFERENCE.md equals the output of `npm run config-reference`', () => {
  expect(readFileSync(new URL('REFERENCE.md', import.meta.url), 'utf8')).toBe(configReference())
})

test('each key of the schema has a meaning, and each meaning a key', () => {
  const keys = new Set(configEntries().map(({ path }) => keyOf(path)))
  expect(Object.keys(CONFIG_KEYS).sort()).toEqual([...keys].sort())
})

test('each key has a row in the reference', () => {
  const page = configReference()
  for (const name of Object.keys(CONFIG_KEYS)) {
    const shown = name.replace(/^(test|expectations)\./, '')
    expect(page, name).toContain(`| \`${shown}\` | `)
  }
})

test('the JSON Schema refuses unknown keys and describes the values that zod parses from text', () => {
  const schema = configJsonSchema() as ReturnType<typeof configJsonSchema> & { additionalProperties: boolean }
  expect(schema.additionalProperties).toBe(false)
  expect(schema.required).toEqual(['nodes'])
  expect(schema.properties!.checks!.items!.properties!.every).toMatchObject({
    type: 'string',
    examples: ['10s', '5m', '1h', '30d'],
  })
})
