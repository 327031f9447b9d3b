import type { Panel, PanelLink, Target } from './schema.ts'

/** All panels and variables use the datasource that the reader selects at the top of the dashboard. */
export const DATASOURCE = { type: 'prometheus', uid: '$' + '{datasource}' } as const

/** Unit names of Grafana. `percentunit` shows a ratio of 0 to 1 as percent. */
export type Unit = 'bps' | 'bytes' | 'percentunit' | 's' | 'dateTimeFromNow' | 'short'

/** A threshold: the colour from this value on. The first step has no value and applies below all others. */
type Step = { color: 'green' | 'orange' | 'red' | 'blue'; value: number | null }

const SELECTOR = /(?<![\w:])((?:meshgauge|autopilot|process|nodejs)_\w+)(?![\w:])(?:\{([^}]*)\})?/g
const SELECTED_COLLECTORS = 'job=~"$job",instance=~"$instance"'

/** Restricts every metric selector of an expression to the selected jobs and instances. */
export const scoped = (expr: string): string =>
  expr.replace(SELECTOR, (_, metric: string, matchers?: string) =>
    matchers ? `${metric}{${SELECTED_COLLECTORS},${matchers}}` : `${metric}{${SELECTED_COLLECTORS}}`,
  )

export type Query = { expr: string; legend?: string }

/** Queries of the median and the 99th percentile of a histogram in the last hour, by these labels (`le` among them). */
export const quantileQueries = (metric: string, by: string): Query[] =>
  [0.5, 0.99].map((quantile) => ({
    expr: `histogram_quantile(${quantile}, sum by (${by}) (increase(${metric}_bucket[1h])))`,
    legend: `${by === 'le' ? '' : '{{operation}} '}p${quantile * 100}`,
  }))

export type PanelOptions = {
  title: string
  /** What it shows with its unit, what is normal, and what to do otherwise. */
  description: string
  unit: Unit
  queries: readonly Query[]
  /** The dashboard that the panel links to. */
  next?: keyof typeof UIDS
  /** The label of the series whose value selects the node of the next dashboard. */
  nodeLabel?: 'node' | 'source'
  /** Variables of the next dashboard that a click on a series or row sets, with the labels that provide their values. */
  pick?: Readonly<Record<string, readonly string[]>>
  steps?: readonly Step[]
  /** Texts for numeric codes. */
  words?: Readonly<Record<string, string>>
  min?: number
  max?: number
  width?: number
  height?: number
}

export const UIDS = {
  fleet: 'meshgauge-fleet',
  mesh: 'meshgauge-mesh',
  node: 'meshgauge-node',
  runs: 'meshgauge-runs',
  collector: 'meshgauge-collector',
} as const

const FULL_WIDTH = 24

/** Green below `warn`, orange below `bad`, red from `bad` on. */
export const lowIsGood = (warn: number, bad = warn): Step[] => [
  { color: 'green', value: null },
  ...(warn < bad ? [{ color: 'orange', value: warn } as const] : []),
  { color: 'red', value: bad },
]

/** Red below `bad`, orange below `good`, green from `good` on. */
export const highIsGood = (bad: number, good = bad): Step[] => [
  { color: 'red', value: null },
  ...(bad < good ? [{ color: 'orange', value: bad } as const] : []),
  { color: 'green', value: good },
]

/** URL of a dashboard with the same time range and datasource, and with values for its variables. */
export const dashboardUrl = (
  board: keyof typeof UIDS,
  variables: readonly (readonly [name: string, value: string])[] = [],
): string =>
  [
    `/d/${UIDS[board]}?var-datasource=${DATASOURCE.uid}`,
    '$' + '{job:queryparam}',
    '$' + '{instance:queryparam}',
    ...variables.map(([name, value]) => `var-${name}=${value}`),
    '$' + '{__url_time_range}',
  ].join('&')

const linksOf = ({ next }: PanelOptions): PanelLink[] =>
  next ? [{ title: `Open ${next}`, url: dashboardUrl(next), targetBlank: false }] : []

/** The links of series or rows, which open the next dashboard for their labels. */
const dataLinksOf = ({ next, nodeLabel, pick }: PanelOptions, isTable: boolean): PanelLink[] => {
  const picked = pick ?? (nodeLabel ? { node: [nodeLabel] } : undefined)
  if (!next || !picked) return []
  const fieldOf = (label: string) => (isTable ? `$\{__data.fields.${label}}` : `$\{__field.labels.${label}}`)
  const variables = Object.entries(picked).flatMap(([name, labels]) =>
    labels.map((label) => [name, fieldOf(label)] as const),
  )
  return [{ title: `Open ${next}`, url: dashboardUrl(next, variables), targetBlank: false }]
}

/** The identifier of a query within its panel: A, B, C. */
export const refIdOf = (index: number): string => String.fromCharCode('A'.charCodeAt(0) + index)

const targetsOf = (queries: readonly Query[], instant: boolean, format: Target['format']): Target[] =>
  queries.map(({ expr, legend = '' }, index) => ({
    datasource: DATASOURCE,
    refId: refIdOf(index),
    expr: scoped(expr),
    legendFormat: legend,
    instant,
    range: !instant,
    format,
    ...(!instant && expr.includes('_bucket') ? { exemplar: true as const } : {}),
  }))

const mappingsOf = (words: PanelOptions['words']) =>
  words
    ? [
        {
          type: 'value',
          options: Object.fromEntries(
            Object.entries(words).map(([value, text], index) => [value, { text, index }]),
          ),
        },
      ]
    : []

/** Creates a panel with the fields that all types share. */
export const panel = (
  type: Panel['type'],
  given: PanelOptions,
  { instant, custom, options }: { instant: boolean; custom: object; options: object },
): Panel => {
  const isTable = type === 'table'
  const { title, description, unit, queries, steps, words, min, max, width = 12, height = 8 } = given
  return {
    type,
    title,
    description,
    datasource: DATASOURCE,
    gridPos: { x: 0, y: 0, w: width, h: height },
    targets: targetsOf(queries, instant, isTable ? 'table' : 'time_series'),
    links: linksOf(given),
    fieldConfig: {
      defaults: {
        unit,
        ...(min === undefined ? {} : { min }),
        ...(max === undefined ? {} : { max }),
        custom,
        mappings: mappingsOf(words),
        thresholds: { mode: 'absolute', steps: [...(steps ?? [{ color: 'blue', value: null }])] },
        color: { mode: steps ? 'thresholds' : 'palette-classic' },
        links: dataLinksOf(given, isTable),
      },
      overrides: [],
    },
    options,
  }
}

/** A graph over time. */
export const timeSeries = (given: PanelOptions): Panel =>
  panel(
    'timeseries',
    { min: 0, ...given },
    {
      instant: false,
      custom: { drawStyle: 'line', lineWidth: 1, fillOpacity: 5, showPoints: 'auto', spanNulls: false },
      options: {
        legend: {
          showLegend: true,
          displayMode: 'table',
          placement: 'bottom',
          calcs: ['lastNotNull', 'min', 'max'],
        },
        tooltip: { mode: 'multi', sort: 'desc' },
      },
    },
  )

/** The current value of each query. */
export const stat = (given: PanelOptions): Panel =>
  panel(
    'stat',
    { width: 4, height: 4, ...given },
    {
      instant: true,
      custom: {},
      options: {
        colorMode: 'background',
        graphMode: 'none',
        textMode: 'value_and_name',
        reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
      },
    },
  )

/** Coloured states over time, one line per series. */
export const stateTimeline = (given: PanelOptions): Panel =>
  panel('state-timeline', given, {
    instant: false,
    custom: { fillOpacity: 80, lineWidth: 0 },
    options: {
      mergeValues: true,
      showValue: 'auto',
      legend: { showLegend: true, displayMode: 'list', placement: 'bottom', calcs: [] },
    },
  })

/** Places panels in order, in rows of Grafana's 24 columns, and numbers them. */
export const arrange = (panels: readonly Panel[]): Panel[] => {
  let [x, y, rowHeight] = [0, 0, 0]
  return panels.map((one, index) => {
    const { w, h } = one.gridPos
    if (x + w > FULL_WIDTH) {
      y += rowHeight
      x = 0
      rowHeight = 0
    }
    const placed = { ...one, id: index + 1, gridPos: { x, y, w, h } }
    x += w
    rowHeight = Math.max(rowHeight, h)
    return placed
  })
}
