import { readdirSync, readFileSync } from 'node:fs'
import { metrics as api } from '@opentelemetry/api'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { CATALOGUE } from '../../collector/telemetry/catalogue/catalogue.ts'
import { createMetrics, type Metrics } from '../../collector/telemetry/catalogue/metrics.ts'
import { listenHttp } from '../../collector/telemetry/expose/http-server.ts'
import { createObserver } from '../../collector/telemetry/observe/observer.ts'
import { TRACE_ID } from '../../collector/telemetry/testing/samples.ts'
import { DASHBOARDS, toJson } from '../../deploy/grafana/dashboards.ts'
import type { QueryVariable } from '../../deploy/grafana/schema.ts'
import type { HttpServer } from '../../lib/http-listener.ts'
import { observeAllMetrics } from '../testing/observe-all-metrics.ts'
import { type Prometheus, startPrometheus } from '../testing/prometheus-server.ts'

const GRAFANA = new URL('../../deploy/grafana/', import.meta.url)
const RULES = new URL('../../deploy/prometheus/rules/', import.meta.url)
const FIXTURES = new URL('fixtures/', import.meta.url)
const ruleTests = readdirSync(FIXTURES, { encoding: 'utf8' }).filter((file) => file.endsWith('.test.yaml'))

type Rule = {
  alert?: string
  record?: string
  expr: string
  annotations?: { summary: string; description: string }
}
type Rules = { groups: { name: string; interval?: string; rules: Rule[] }[] }

const groups = readdirSync(RULES).flatMap(
  (file) => (parse(readFileSync(new URL(file, RULES), 'utf8')) as Rules).groups,
)
// Recording rules run every minute, which is too slow for a test.
for (const group of groups) delete group.interval
const rules = groups.flatMap((group) => group.rules)

const boards = Object.entries(DASHBOARDS)
const panels = boards.flatMap(([board, { panels }]) => panels.map((panel) => ({ board, panel })))
const queries = panels.flatMap(({ board, panel }) =>
  panel.targets.map(({ refId, expr, legendFormat, exemplar }) => {
    const urls = panel.fieldConfig.defaults.links.map(({ url }) => url).join(' ')
    const labels = [
      ...legendFormat.matchAll(/\{\{(\w+)\}\}/g),
      ...urls.matchAll(/\{__(?:data\.fields|field\.labels)\.(\w+)\}/g),
    ].map(([, label]) => label!)
    return { name: `${board}: ${panel.title} ${refId}`, expr, labels, exemplar }
  }),
)
/** A verdict about an interface has no rack and no peer, and Prometheus drops empty labels. */
const EMPTY_LABELS = ['rack', 'peer']
const variables = boards.flatMap(([board, { templating }]) =>
  templating.list
    .filter((variable): variable is QueryVariable => variable.type === 'query')
    .map((variable) => ({ board, ...variable })),
)

/** Replaces variables as Grafana does: with node-1, or with all values where several can be selected. */
const interpolate = (expr: string): string =>
  expr
    .replaceAll('=~"$node"', '=~"node-1|node-2|node-3"')
    .replaceAll(/=~"\$(rack|interface)"/g, '=~".*"')
    .replaceAll('$node', 'node-1')
    .replaceAll('$__rate_interval', '1m')
    .replaceAll(/\$(job|instance)\b/g, '.+')

describe('dashboards as files', () => {
  test('are exactly the files that `npm run dashboards` writes', () => {
    const folder = new URL('dashboards/', GRAFANA)
    const committed = Object.fromEntries(
      readdirSync(folder, { encoding: 'utf8' })
        .filter((file) => file.endsWith('.json'))
        .map((file) => [file, readFileSync(new URL(file, folder), 'utf8')]),
    )
    const made = Object.fromEntries(boards.map(([name, board]) => [`${name}.json`, toJson(board)]))
    expect(committed).toEqual(made)
  })

  test('query only metrics of the catalogue and their labels', () => {
    const definitions = Object.values(CATALOGUE)
    const wrong = [
      ...queries,
      ...rules.map(({ alert, record, expr }) => ({ name: alert ?? record, expr })),
    ].flatMap(({ name, expr }) =>
      [...expr.matchAll(/(?<![\w:])(meshgauge_\w+)(?:\{([^}]*)\})?(?!:)/g)].flatMap(
        ([, metric, matchers]) => {
          const base = metric!.replace(/_(bucket|sum|count)$/, '')
          const definition = definitions.find((one) => one.name === metric || one.name === base)
          if (!definition) return [`${name}: there is no ${metric}`]
          const used = [...(matchers ?? '').matchAll(/(\w+)\s*[=!]/g)].map(([, label]) => label!)
          const known: readonly string[] = [...definition.labels, 'job', 'instance']
          return used
            .filter((label) => !known.includes(label))
            .map((label) => `${name}: ${metric} has no label ${label}`)
        },
      ),
    )
    expect(wrong).toEqual([])
  })

  test('show every metric of the catalogue except those for other systems', () => {
    const text = JSON.stringify(DASHBOARDS)
    const absent = Object.values(CATALOGUE).filter(({ name }) => !text.includes(name))
    expect(absent.map(({ name }) => name)).toEqual(['autopilot_health_checks'])
  })

  test('have a unit, the normal state, the selected datasource and a link in every panel', () => {
    const uids = boards.map(([, { uid }]) => uid)
    const wrong = panels.flatMap(({ board, panel }) => {
      const { title, description, datasource, targets, links, fieldConfig } = panel
      const urls = [...links, ...fieldConfig.defaults.links].map(({ url }) => url)
      const problems = [
        /\b(normal|normally)\b/i.test(description) ? '' : 'does not describe the normal state',
        fieldConfig.defaults.unit ? '' : 'has no unit',
        [datasource, ...targets.map((target) => target.datasource)].every(
          ({ uid }) => uid === '$' + '{datasource}',
        )
          ? ''
          : 'does not use the selected datasource',
        links.length > 0 && urls.every((url) => uids.includes(url.match(/^\/d\/([^?]+)\?/)?.[1] ?? ''))
          ? ''
          : 'has no link',
      ]
      return problems.filter((problem) => problem !== '').map((problem) => `${board}: ${title} ${problem}`)
    })
    expect(wrong).toEqual([])
  })

  test('are provisioned into a folder, with a Prometheus datasource', () => {
    const read = (path: string): unknown =>
      parse(readFileSync(new URL(`provisioning/${path}`, GRAFANA), 'utf8'))
    expect(read('datasources/meshgauge.yaml')).toMatchObject({
      apiVersion: 1,
      datasources: [
        {
          type: 'prometheus',
          url: '$' + '{PROMETHEUS_URL}',
          jsonData: {
            exemplarTraceIdDestinations: [{ name: 'trace_id', url: '$' + '{TRACE_URL}$$' + '{__value.raw}' }],
          },
        },
      ],
    })
    expect(read('dashboards/meshgauge.yaml')).toMatchObject({
      apiVersion: 1,
      providers: [{ type: 'file', options: { path: '/var/lib/grafana/dashboards/meshgauge' } }],
    })
  })

  test('have unique ids and panels that do not overlap', () => {
    for (const [name, { panels }] of boards) {
      const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
        Array.from({ length: w * h }, (_, index) => `${x + (index % w)} ${y + Math.floor(index / w)}`),
      )
      expect(new Set(cells).size, name).toBe(cells.length)
      expect(Math.max(...panels.map(({ gridPos: { x, w } }) => x + w)), name).toBeLessThanOrEqual(24)
      expect(new Set(panels.map(({ id }) => id)).size, name).toBe(panels.length)
    }
    expect(new Set(boards.map(([, { uid }]) => uid)).size).toBe(boards.length)
  })
})

describe('rules', () => {
  test('pass promtool, together with the example configuration', async () => {
    const { stdout } = await execa('promtool', ['check', 'config', 'deploy/prometheus/prometheus.yml'])
    const files = readdirSync(RULES)
    expect(stdout).toContain(`${files.length} rule files found`)
    await execa('promtool', ['check', 'rules', ...files], { cwd: RULES })
  })

  test.each(ruleTests)('fire during their fault and end with it: %s', async (file) => {
    const { stdout } = await execa('promtool', ['test', 'rules', file], { cwd: FIXTURES })
    expect(stdout).toContain('SUCCESS')
  })

  test('all have a test and a description of what to do', () => {
    const text = ruleTests.map((file) => readFileSync(new URL(file, FIXTURES), 'utf8')).join('\n')
    for (const { alert, annotations } of rules.filter(({ alert }) => alert !== undefined)) {
      expect(text).toContain(`alertname="${alert}"`)
      expect(annotations?.summary.length, alert).toBeGreaterThan(10)
      expect(annotations?.description.length, alert).toBeGreaterThan(80)
    }
  })
})

describe('in Prometheus', () => {
  let metrics: Metrics
  let server: HttpServer
  let prometheus: Prometheus

  beforeAll(async () => {
    metrics = createMetrics({ meter: api.getMeter('test') }, { version: '1.2.3' })
    const observer = createObserver({ metrics })
    observeAllMetrics(metrics, observer)
    server = await listenHttp({ registry: metrics.registry, health: () => [], address: '127.0.0.1:0' })
    prometheus = await startPrometheus({ targets: [`127.0.0.1:${server.port}`], rules: { groups } })
    // Queries about a change need one between two scrapes.
    await prometheus.waitFor('meshgauge_runs_total{test="iperf"} == 1')
    observeAllMetrics(metrics, observer)
    await prometheus.waitFor('meshgauge_runs_total{test="iperf"} == 2')
  })

  afterAll(async () => {
    await prometheus?.close()
    await server?.close()
    metrics?.close()
  })

  test.each(queries)('$name has data with the labels that it shows', async ({ expr, labels }) => {
    const samples = await prometheus.waitFor(interpolate(expr))
    for (const { value } of samples) expect(value).not.toBeNaN()
    const present = [...EMPTY_LABELS, ...samples.flatMap((sample) => Object.keys(sample.labels))]
    expect(labels.filter((label) => !present.includes(label))).toEqual([])
  })

  const exemplarQueries = queries.filter(
    ({ exemplar, expr }) => exemplar && /_(run_duration|dispatch_lag)_/.test(expr),
  )
  test.each(exemplarQueries)('$name links to traces', async ({ expr }) => {
    await expect
      .poll(async () => (await prometheus.exemplars(interpolate(expr))).map(({ traceId }) => traceId))
      .toContain(TRACE_ID)
  })

  test('only panels of durations link to traces', () => {
    expect(exemplarQueries.map(({ name }) => name)).toEqual([
      'runs: Duration: 90th percentile A',
      'collector: Dispatch lag A',
      'collector: Dispatch lag B',
    ])
  })

  test.each(variables)('the variable $name of $board has values', async ({ query: { query } }) => {
    const [, selector, label] = query.match(/^label_values\((.+), (\w+)\)$/)!
    const match = encodeURIComponent(interpolate(selector!))
    const answer = await fetch(`${prometheus.url}/api/v1/label/${label}/values?match[]=${match}`)
    const data = {
      rack: ['r1', 'r2'],
      interface: ['net0'],
      node: ['node-1', 'node-2', 'node-3'],
      job: ['meshgauge'],
      instance: [`127.0.0.1:${server.port}`],
    }
    expect(await answer.json()).toEqual({ status: 'success', data: data[label as keyof typeof data] })
  })

  test.each(rules.map(({ alert, record, expr }) => ({ name: alert ?? record, expr })))(
    '$name runs',
    async ({ expr }) => {
      await expect(prometheus.query(expr)).resolves.toBeInstanceOf(Array)
    },
  )

  test('every recording rule has a result', async () => {
    for (const { record } of rules.filter(({ record }) => record !== undefined))
      await prometheus.waitFor(record!)
  })

  test('the faults in these metrics cause pending or firing alerts', async () => {
    const alerts = async () =>
      (await prometheus.query('count by (alertname) (ALERTS)')).map(({ labels }) => labels.alertname)
    await expect.poll(alerts).toEqual(expect.arrayContaining(['MeshgaugeVerdict', 'MeshgaugeNodeLossy']))
    expect(await alerts()).not.toContain('MeshgaugeNodeUnreachable')
  })
})
