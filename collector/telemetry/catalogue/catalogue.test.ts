import { describe, expect, test } from 'vitest'
import { CATALOGUE, type MetricDefinition } from './catalogue.ts'

const definitions: MetricDefinition[] = Object.values(CATALOGUE)

/** Units that the conventions allow, and the ending that each gives the name. */
const ENDINGS: Record<string, RegExp> = {
  s: /_seconds$/,
  '1': /_ratio$/,
  '{bit}/s': /_bits_per_second$/,
  By: /_bytes$/,
}

/** prometheus.io/docs/practices/naming: base units only, and no suffix that Prometheus itself makes. */
const FORBIDDEN = /(milli|micro|nano|kilo|mega|giga|minutes|hours|percent|_count$|_sum$|_bucket$)/

test('names are unique', () => {
  expect(new Set(definitions.map(({ name }) => name)).size).toBe(definitions.length)
})

describe.each(definitions)('$name', ({ kind, name, help, unit, labels, buckets }) => {
  test('has a name after the conventions', () => {
    // One name is another system's, whose users' alerts and dashboards go on working.
    if (name !== 'autopilot_health_checks') expect(name).toMatch(/^meshgauge_[a-z0-9]+(_[a-z0-9]+)*$/)
    expect(name).not.toMatch(FORBIDDEN)
    expect(name.endsWith('_total')).toBe(kind === 'counter')
  })

  test('has a base unit that its name ends in', () => {
    if (/^\{[a-z]+\}$/.test(unit)) {
      for (const ending of Object.values(ENDINGS)) expect(name).not.toMatch(ending)
    } else {
      expect(name).toMatch(ENDINGS[unit] ?? `no such unit: ${unit}`)
    }
  })

  test('says what it is and what is normal', () => {
    expect(help).toMatch(/^[A-Z0-9].*\.$/)
    expect(help).toMatch(/[Nn]ormal|Always|Unix time/)
  })

  test('has labels that Prometheus allows and no reserved one', () => {
    for (const label of labels) expect(label).toMatch(/^[a-z][a-z_]*$/)
    for (const reserved of ['le', 'quantile', 'job', 'instance']) expect(labels).not.toContain(reserved)
    expect(new Set(labels).size).toBe(labels.length)
  })

  test('has rising buckets exactly when it is a histogram', () => {
    expect(buckets !== undefined).toBe(kind === 'histogram')
    expect(buckets ?? []).toEqual([...(buckets ?? [])].sort((a, b) => a - b))
  })
})
