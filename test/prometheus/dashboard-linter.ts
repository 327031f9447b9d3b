/**
 * The rules of grafana/dashboard-linter (its docs/rules), reimplemented because that Go program is not available from npm
 * or Debian. A rule returns a problem or undefined. promtool checks target-promql-rule.
 */

import type { Dashboard, Panel, QueryVariable, Target } from '../../deploy/grafana/schema.ts'

export type Finding = { rule: string; dashboard: string; panel?: string; targetIdx?: number; message: string }

type Problem = string | undefined

const variablesOf = ({ templating }: Dashboard): QueryVariable[] =>
  templating.list.filter((variable): variable is QueryVariable => variable.type === 'query')

const templateRule =
  (name: string, label: string) =>
  (dashboard: Dashboard): Problem => {
    const variable = variablesOf(dashboard).find((one) => one.name === name)
    if (!variable) return `is missing the ${name} template`
    if (!/^\$\{?datasource\}?$/.test(variable.datasource.uid))
      return `${name} does not use the datasource variable`
    if (variable.label !== label) return `${name} should be labelled ${label}`
    if (!variable.multi) return `${name} should be a multi select`
    return variable.allValue === '.+' ? undefined : `${name} should have .+ for all`
  }

const DASHBOARD_RULES: Record<string, (dashboard: Dashboard) => Problem> = {
  'template-datasource-rule': ({ templating }) => {
    const sources = templating.list.filter(({ type }) => type === 'datasource')
    if (sources.length !== 1) return 'does not have exactly one datasource variable'
    const { name, label } = sources[0]!
    if (!['datasource', 'prometheus_datasource'].includes(name)) return `data source variable named ${name}`
    return ['Data source', 'Prometheus data source'].includes(label)
      ? undefined
      : `data source labelled ${label}`
  },
  'template-job-rule': templateRule('job', 'Job'),
  'template-instance-rule': templateRule('instance', 'Instance'),
  'template-label-promql-rule': (dashboard) =>
    variablesOf(dashboard)
      .map(({ query }) => query.query)
      .find((query) => !/^(label_names|label_values|metrics|query_result)\(.+\)$/.test(query)),
  'template-on-time-change-reload-rule': (dashboard) =>
    variablesOf(dashboard).find(({ refresh }) => refresh !== 2)?.name,
  'uneditable-dashboard': ({ editable }) => (editable ? 'is editable' : undefined),
}

/** The units of Grafana that the dashboards use. */
const UNITS = ['short', 'percentunit', 'bytes', 'bps', 's', 'dateTimeFromNow', 'ops', 'none']

const PANEL_RULES: Record<string, (panel: Panel) => Problem> = {
  'panel-datasource-rule': ({ datasource }) =>
    /^\$\{?datasource\}?$/.test(datasource.uid) ? undefined : `uses ${datasource.uid}`,
  'panel-title-description-rule': ({ title, description }) =>
    title && description ? undefined : 'has no title or no description',
  'panel-units-rule': ({ fieldConfig }) =>
    UNITS.includes(fieldConfig.defaults.unit) ? undefined : `has the unit "${fieldConfig.defaults.unit}"`,
  'panel-no-targets-rule': ({ targets }) => (targets.length > 0 ? undefined : 'has no targets'),
}

const KEYWORDS = new Set([
  'and',
  'or',
  'unless',
  'bool',
  'offset',
  'inf',
  'nan',
  'by',
  'without',
  'on',
  'ignoring',
  'group_left',
  'group_right',
])

/** The vector selectors of an expression, each with its matchers, its range and the function around it. */
const selectorsOf = (expr: string) => {
  const withoutLabelLists = expr.replaceAll(
    /\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g,
    '',
  )
  return [
    ...withoutLabelLists.matchAll(
      /(\w+\s*\(\s*)?(?<![\w:".$~])([a-zA-Z_:][\w:]*)(\{[^}]*\})?(\s*\[[^\]]*\])?(?!\w*\s*\()/g,
    ),
  ]
    .map(([, call, metric, matchers, range]) => ({
      function: call?.replace(/\W+$/, ''),
      metric: metric!,
      matchers: matchers ?? '',
      range: range?.trim() ?? '',
    }))
    .filter(({ metric }) => !KEYWORDS.has(metric.toLowerCase()))
}

const required =
  (label: string) =>
  (target: Target): Problem =>
    selectorsOf(target.expr).find(({ matchers }) => !matchers.includes(`${label}=~"$${label}"`))?.metric

const TARGET_RULES: Record<string, (target: Target) => Problem> = {
  'target-rate-interval-rule': ({ expr }) =>
    selectorsOf(expr).find(
      ({ function: name, range }) => /^i?rate$/.test(name ?? '') && range !== '[$' + '__rate_interval]',
    )?.metric,
  'target-job-rule': required('job'),
  'target-instance-rule': required('instance'),
  'target-counter-agg-rule': ({ expr }) =>
    selectorsOf(expr).find(
      ({ function: name, metric, range }) =>
        metric.endsWith('_total') && !(range && /^(rate|irate|increase)$/.test(name ?? '')),
    )?.metric,
}

/** All findings of one dashboard. */
export const lint = (dashboard: Dashboard): Finding[] => {
  const findings: Finding[] = []
  const check = (rule: string, problem: Problem, where: Partial<Finding> = {}) => {
    if (problem !== undefined) findings.push({ rule, dashboard: dashboard.title, ...where, message: problem })
  }
  for (const [rule, run] of Object.entries(DASHBOARD_RULES)) check(rule, run(dashboard))
  for (const panel of dashboard.panels) {
    for (const [rule, run] of Object.entries(PANEL_RULES)) check(rule, run(panel), { panel: panel.title })
    for (const [targetIdx, target] of panel.targets.entries())
      for (const [rule, run] of Object.entries(TARGET_RULES))
        check(rule, run(target), { panel: panel.title, targetIdx })
  }
  return findings
}
