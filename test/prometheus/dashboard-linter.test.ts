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

test('the dashboards pass the rules of dashboard-linter but for what its configuration excludes', () => {
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

test('every query is PromQL', async () => {
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

describe('each rule sees what is wrong', () => {
  /** What is said of a sound dashboard after the value at a path was replaced. */
  const change = (path: string, value: unknown): string[] => {
    const dashboard = JSON.parse(toJson(DASHBOARDS.runs!)) as Dashboard
    dashboard.panels = dashboard.panels.filter(({ title }) => title === 'Runs by state, per hour')
    expect(lint(dashboard)).toEqual([])
    const keys = path.split('.')
    const last = keys.pop()!
    const parent = keys.reduce<unknown>((object, key) => (object as Record<string, unknown>)[key], dashboard)
    ;(parent as Record<string, unknown>)[last] = value
    return lint(dashboard).map(({ rule }) => rule)
  }
  const expression = (text: string) => change('panels.0.targets.0.expr', text)
  const all = 'job=~"$job",instance=~"$instance"'

  test.each<[string, () => string[]]>([
    ['template-datasource-rule', () => change('templating.list.0.label', 'Source')],
    ['template-job-rule', () => change('templating.list.1.name', 'jobs')],
    ['template-instance-rule', () => change('templating.list.2.multi', false)],
    ['template-label-promql-rule', () => change('templating.list.1.query', { query: 'job' })],
    ['template-on-time-change-reload-rule', () => change('templating.list.1.refresh', 1)],
    ['uneditable-dashboard', () => change('editable', true)],
    ['panel-datasource-rule', () => change('panels.0.datasource.uid', 'abc')],
    ['panel-title-description-rule', () => change('panels.0.description', '')],
    ['panel-units-rule', () => change('panels.0.fieldConfig.defaults.unit', 'furlong')],
    ['panel-no-targets-rule', () => change('panels.0.targets', [])],
    ['target-rate-interval-rule', () => expression(`sum by (test) (rate(a_total{${all}}[5m]))`)],
    ['target-job-rule', () => expression(`a{instance=~"$instance"} and on (job) b{${all}}`)],
    ['target-instance-rule', () => expression(`a{${all}} / b{job=~"$job"}`)],
    [
      'target-counter-agg-rule',
      () => expression(`sum(a_total{${all}}) / sum(increase(a_total{${all}}[1h]))`),
    ],
  ])('%s', (rule, findings) => {
    expect(findings()).toEqual([rule])
  })

  test('and lets pass what is right', () => {
    expect(
      expression(`sum by (a, le) (rate(x_total{${all},code!~"ok|no"}[$__rate_interval])) or vector(0)`),
    ).toEqual([])
  })
})
