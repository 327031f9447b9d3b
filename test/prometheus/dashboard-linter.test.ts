import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { DASHBOARDS, toJson } from '../../deploy/grafana/dashboards.ts'
import type { Dashboard } from '../../deploy/grafana/schema.ts'
import { type Finding, lint } from './dashboard-linter.ts'

type Entry = { dashboard?: string; panel?: string; targetIdx?: number }
type Configuration = { exclusions: Record<string, { reason: string; entries: Entry[] }> }

const { exclusions } = parse(
  readFileSync(new URL('../../deploy/grafana/dashboards/.lint', import.meta.url), 'utf8'),
) as Configuration

const isExcluded = ({ rule, dashboard, panel, targetIdx }: Finding, entry: Entry): boolean =>
  exclusions[rule] !== undefined &&
  entry.dashboard === dashboard &&
  (entry.panel === undefined || entry.panel === panel) &&
  (entry.targetIdx === undefined || entry.targetIdx === targetIdx)

const findings = Object.values(DASHBOARDS).flatMap(lint)

test('the dashboards pass the rules of dashboard-linter, except for the exclusions in .lint', () => {
  const left = findings.filter(
    (one) => !exclusions[one.rule]?.entries.some((entry) => isExcluded(one, entry)),
  )
  expect(left).toEqual([])
})

test('every exclusion has a reason and excludes something', () => {
  for (const [rule, { reason, entries }] of Object.entries(exclusions)) {
    expect(reason.length, rule).toBeGreaterThan(40)
    for (const entry of entries)
      expect(
        findings.filter((one) => one.rule === rule && isExcluded(one, entry)),
        JSON.stringify(entry),
      ).not.toEqual([])
  }
})

test('every query is valid PromQL', async () => {
  const rules = Object.entries(DASHBOARDS).flatMap(([board, { panels }]) =>
    panels.flatMap(({ targets }, panel) =>
      targets.map(({ expr }, target) => ({
        record: `${board}:panel_${panel}:target_${target}`,
        expr: expr.replaceAll('$__rate_interval', '1m'),
      })),
    ),
  )
  const folder = await mkdtemp(join(tmpdir(), 'meshgauge-panels-'))
  try {
    const file = join(folder, 'panels.yml')
    await writeFile(file, JSON.stringify({ groups: [{ name: 'panels', rules }] }))
    const { stdout } = await execa('promtool', ['check', 'rules', file])
    expect(stdout).toContain(`SUCCESS: ${rules.length} rules found`)
  } finally {
    await rm(folder, { recursive: true })
  }
})

describe('each rule finds its violation', () => {
  /** The findings for a valid dashboard after the value at `path` was replaced. */
  const findingsAfter = (path: string, value: unknown): string[] => {
    const dashboard = JSON.parse(toJson(DASHBOARDS.runs!)) as Dashboard
    dashboard.panels = dashboard.panels.filter(({ title }) => title === 'Runs by state, per hour')
    expect(lint(dashboard)).toEqual([])
    const keys = path.split('.')
    const last = keys.pop()!
    const parent = keys.reduce<unknown>((object, key) => (object as Record<string, unknown>)[key], dashboard)
    ;(parent as Record<string, unknown>)[last] = value
    return lint(dashboard).map(({ rule }) => rule)
  }
  const findingsOfQuery = (text: string) => findingsAfter('panels.0.targets.0.expr', text)
  const all = 'job=~"$job",instance=~"$instance"'

  test.each<[string, () => string[]]>([
    ['template-datasource-rule', () => findingsAfter('templating.list.0.label', 'Source')],
    ['template-job-rule', () => findingsAfter('templating.list.1.name', 'jobs')],
    ['template-instance-rule', () => findingsAfter('templating.list.2.multi', false)],
    ['template-label-promql-rule', () => findingsAfter('templating.list.1.query', { query: 'job' })],
    ['template-on-time-change-reload-rule', () => findingsAfter('templating.list.1.refresh', 1)],
    ['uneditable-dashboard', () => findingsAfter('editable', true)],
    ['panel-datasource-rule', () => findingsAfter('panels.0.datasource.uid', 'abc')],
    ['panel-title-description-rule', () => findingsAfter('panels.0.description', '')],
    ['panel-units-rule', () => findingsAfter('panels.0.fieldConfig.defaults.unit', 'furlong')],
    ['panel-no-targets-rule', () => findingsAfter('panels.0.targets', [])],
    ['target-rate-interval-rule', () => findingsOfQuery(`sum by (test) (rate(a_total{${all}}[5m]))`)],
    ['target-job-rule', () => findingsOfQuery(`a{instance=~"$instance"} and on (job) b{${all}}`)],
    ['target-instance-rule', () => findingsOfQuery(`a{${all}} / b{job=~"$job"}`)],
    [
      'target-counter-agg-rule',
      () => findingsOfQuery(`sum(a_total{${all}}) / sum(increase(a_total{${all}}[1h]))`),
    ],
  ])('%s', (rule, findings) => {
    expect(findings()).toEqual([rule])
  })

  test('a valid query has no findings', () => {
    expect(
      findingsOfQuery(`sum by (a, le) (rate(x_total{${all},code!~"ok|no"}[$__rate_interval])) or vector(0)`),
    ).toEqual([])
  })
})
