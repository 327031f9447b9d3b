import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { productionFiles, sourceFiles } from './source-files.ts'

/** Libraries that only one place imports, so that the rest of the code does not depend on them. */
const RULES = [
  {
    library: 'nice-grpc',
    matches: /^nice-grpc(-|$)/,
    may: /^lib\/(serving|calling|errors)(\.ts$|\/)/,
    because: 'the other code serves, calls and reports errors through lib',
  },
  {
    library: 'log-update',
    matches: /^log-update$/,
    may: /^cli\/render\/status-line\.ts$/,
    because: 'two writers of one line would erase text of each other',
  },
] as const

test.each(RULES)('$library has one place that imports it: $because', ({ matches, may }) => {
  const importers = sourceFiles.filter((file) =>
    [...readFileSync(file, 'utf8').matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].some(([, specifier]) =>
      matches.test(specifier!),
    ),
  )
  expect(importers.filter((file) => !may.test(file))).toEqual([])
  expect(importers.length).toBeGreaterThan(0)
})

test('only the status line erases text in a terminal', () => {
  const erasers = productionFiles.filter(
    (file) =>
      file.startsWith('cli/') &&
      !file.endsWith('.test.ts') &&
      /\\(u001b|x1b)\[\d*[JK]/i.test(readFileSync(file, 'utf8')),
  )
  expect(erasers).toEqual([])
})
