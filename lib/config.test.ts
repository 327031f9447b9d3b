import { expect, test } from 'vitest'
import { z } from 'zod'
import { ConfigError, parseConfig } from './config.ts'

const problemOf = (text: string): string => {
  try {
    parseConfig('fleet.yaml', text, z.record(z.string(), z.unknown()))
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
  return ''
}

test.each([1000, 20_000])(
  '%d nested lists are a problem of the file, and no error of the JavaScript engine',
  (depth) => {
    const message =
      'fleet.yaml has a problem; nothing was started.\n  fleet.yaml:1:1     lists or maps are nested too deeply'
    expect(problemOf(`a: ${'['.repeat(depth)}`)).toBe(message)
    expect(problemOf(`a: ${'['.repeat(20 * depth)}${']'.repeat(20 * depth)}`)).toBe(message)
  },
)

test('lists that are nested as far as any config needs are read', () => {
  expect(problemOf(`a: ${'['.repeat(50)}${']'.repeat(50)}`)).toBe('')
})
