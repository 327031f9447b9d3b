import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { CATALOGUE } from './catalogue.ts'
import { metricsReference } from './reference.ts'

const page = metricsReference()

test('METRICS.md equals the output of `npm run metrics`', () => {
  const committed = readFileSync(new URL('../../../deploy/prometheus/METRICS.md', import.meta.url), 'utf8')
  expect(committed).toBe(page)
})

test('every metric has a row in which only the labels may be empty', () => {
  for (const { name, labels, help } of Object.values(CATALOGUE)) {
    const row = page.split('\n').find((line) => line.startsWith(`| \`${name}\` |`))
    const cells = row!.split(/(?<!\\) ?\| ?/).slice(1, -1)
    expect(cells, name).toHaveLength(6)
    const [, kind, unit, labelCell, meaning, normal] = cells as [
      string,
      string,
      string,
      string,
      string,
      string,
    ]
    expect(labelCell.split(' ').filter((label) => label !== '')).toEqual(
      labels.map((label) => `\`${label}\``),
    )
    // Without a separate sentence about the normal value, the whole help text is the meaning.
    expect(`${kind} ${unit} ${meaning} ${normal || help}`, name).toMatch(
      /^(counter|gauge|histogram) \S+ .*\S$/,
    )
  }
})
