import { arrange, DATASOURCE, dashboardUrl, scoped, UIDS } from './panels.ts'
import type { Dashboard, Panel, QueryVariable } from './schema.ts'

/** A variable with the values of one label in Prometheus. `selector` may use earlier variables. */
export const labelVariable = (name: string, selector: string): QueryVariable => {
  const query = `label_values(${scoped(selector)}, ${name})`
  return {
    type: 'query',
    name,
    label: name,
    datasource: DATASOURCE,
    definition: query,
    query: { query, refId: `variable-${name}` },
    hide: 0,
    multi: false,
    includeAll: false,
    refresh: 2,
    regex: '',
    sort: 1,
  }
}

/** A variable with multiple selection. By default all values are selected; `allValue` also matches series without the label. */
export const multiVariable = (name: string, selector: string, allValue?: '.*'): QueryVariable => ({
  ...labelVariable(name, selector),
  multi: true,
  includeAll: true,
  // Without allValue, Grafana inserts the list of all values, which depends on earlier variables.
  ...(allValue ? { allValue } : {}),
  current: { text: 'All', value: '$__all' },
})

/** A variable that selects collectors by job or instance. By default all are selected. */
const collectorVariable = (name: string, selector: string): QueryVariable => {
  const query = `label_values(${selector}, ${name})`
  return {
    ...labelVariable(name, selector),
    label: `${name.slice(0, 1).toUpperCase()}${name.slice(1)}`,
    definition: query,
    query: { query, refId: `variable-${name}` },
    multi: true,
    includeAll: true,
    allValue: '.+',
    current: { text: 'All', value: '$__all' },
  }
}

/** Creates a dashboard with the common variables and with links to the other dashboards. */
export const dashboard = ({
  board,
  title,
  description,
  variables = [],
  panels,
}: {
  board: keyof typeof UIDS
  title: string
  description: string
  variables?: readonly QueryVariable[]
  panels: readonly Panel[]
}): Dashboard => ({
  uid: UIDS[board],
  title: `meshgauge / ${title}`,
  description,
  tags: ['meshgauge'],
  schemaVersion: 39,
  version: 1,
  editable: false,
  graphTooltip: 1,
  refresh: '30s',
  time: { from: 'now-24h', to: 'now' },
  timezone: 'browser',
  links: (Object.keys(UIDS) as (keyof typeof UIDS)[])
    .filter((other) => other !== board)
    .map((other) => ({ type: 'link', title: other, url: dashboardUrl(other), icon: 'dashboard' })),
  templating: {
    list: [
      {
        type: 'datasource',
        name: 'datasource',
        label: 'Data source',
        query: 'prometheus',
        hide: 0,
        multi: false,
        includeAll: false,
        refresh: 1,
        regex: '',
      },
      collectorVariable('job', 'meshgauge_build_info'),
      collectorVariable('instance', 'meshgauge_build_info{job=~"$job"}'),
      ...variables,
    ],
  },
  annotations: { list: [] },
  panels: arrange(panels),
})
