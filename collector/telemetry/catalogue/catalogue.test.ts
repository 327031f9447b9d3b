import { describe, expect, test } from 'vitest'
import { CATALOGUE } from './catalogue.ts'
import type { MetricDefinition } from './definition.ts'

const definitions: MetricDefinition[] = Object.values(CATALOGUE)

/** The allowed units, and the suffix that each requires in the name. */
const SUFFIXES: Record<string, RegExp> = {
  s: /_seconds$/,
  '1': /_ratio$/,
  '{bit}/s': /_bits_per_second$/,
  By: /_bytes$/,
}

/** prometheus.io/docs/practices/naming: base units only, and no suffix that Prometheus reserves. */
const FORBIDDEN = /(milli|micro|nano|kilo|mega|giga|minutes|hours|percent|_count$|_sum$|_bucket$)/

test('names are unique', () => {
  expect(new Set(definitions.map(({ name }) => name)).size).toBe(definitions.length)
})

describe.each(definitions)('$name', ({ kind, name, help, unit, labels, buckets }) => {
  test('has a name that follows the conventions', () => {
    // One name is that of another system, so that existing alerts and dashboards keep working.
    if (name !== 'autopilot_health_checks') expect(name).toMatch(/^meshgauge_[a-z0-9]+(_[a-z0-9]+)*$/)
    expect(name).not.toMatch(FORBIDDEN)
    expect(name.endsWith('_total')).toBe(kind === 'counter')
  })

  test('has a base unit, and a name with the suffix of the unit', () => {
    if (/^\{[a-z]+\}$/.test(unit)) {
      for (const suffix of Object.values(SUFFIXES)) expect(name).not.toMatch(suffix)
    } else {
      expect(name).toMatch(SUFFIXES[unit] ?? `no such unit: ${unit}`)
    }
  })

  test('has a help text with its meaning and its normal value', () => {
    expect(help).toMatch(/^[A-Z0-9].*\.$/)
    expect(help).toMatch(/[Nn]ormal|Always|Unix time/)
  })

  test('has valid labels and no reserved one', () => {
    for (const label of labels) expect(label).toMatch(/^[a-z][a-z_]*$/)
    for (const reserved of ['le', 'quantile', 'job', 'instance']) expect(labels).not.toContain(reserved)
    expect(new Set(labels).size).toBe(labels.length)
  })

  test('has ascending buckets if it is a histogram, and none otherwise', () => {
    expect(buckets !== undefined).toBe(kind === 'histogram')
    expect(buckets ?? []).toEqual([...(buckets ?? [])].sort((a, b) => a - b))
  })
})
