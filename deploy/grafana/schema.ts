// The part of Grafana's dashboard JSON that the dashboards use: schema version 39, Grafana 10.4 and later.

type Datasource = { type: 'prometheus'; uid: string }

export type PanelLink = { title: string; url: string; targetBlank: boolean }

export type Target = {
  datasource: Datasource
  refId: string
  expr: string
  legendFormat: string
  instant: boolean
  range: boolean
  format: 'time_series' | 'table'
  /** Shows exemplars: dots for single runs, which link to their traces. */
  exemplar?: true
}

export type Panel = {
  id?: number
  type: 'timeseries' | 'stat' | 'table' | 'state-timeline'
  title: string
  description: string
  datasource: Datasource
  gridPos: { x: number; y: number; w: number; h: number }
  targets: Target[]
  links: PanelLink[]
  fieldConfig: {
    defaults: { unit: string; links: PanelLink[]; [option: string]: unknown }
    overrides: {
      matcher: { id: 'byType' | 'byName'; options: string }
      properties: { id: string; value: unknown }[]
    }[]
  }
  options: object
  transformations?: object[]
}

type DatasourceVariable = {
  type: 'datasource'
  name: 'datasource'
  label: string
  query: 'prometheus'
  hide: 0
  multi: false
  includeAll: false
  refresh: 1
  regex: ''
}

export type QueryVariable = {
  type: 'query'
  name: string
  label: string
  datasource: Datasource
  definition: string
  query: { query: string; refId: string }
  hide: 0
  multi: boolean
  includeAll: boolean
  /** The pattern for `All` in a query, instead of a list of all values. */
  allValue?: '.+' | '.*'
  current?: { text: string; value: string }
  /** 2: refreshed when the time range changes. */
  refresh: 2
  regex: ''
  sort: 1
}

export type Dashboard = {
  uid: string
  title: string
  description: string
  tags: string[]
  schemaVersion: 39
  version: 1
  editable: boolean
  graphTooltip: 1
  refresh: string
  time: { from: string; to: string }
  timezone: 'browser'
  links: object[]
  templating: { list: (DatasourceVariable | QueryVariable)[] }
  annotations: { list: [] }
  panels: Panel[]
}
