import { arrange, DATASOURCE, dashboardUrl, scoped, UIDS } from './panels.ts'
import type { Dashboard, Panel, QueryVariable } from './schema.ts'

/** A choice of the values of one label, as they are in Prometheus; `selector` may use the variables before it. */
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

/** A choice of several values; all of them until the reader chooses, also those without the label at all. */
export const severalVariable = (name: string, selector: string, allValue?: '.*'): QueryVariable => ({
  ...labelVariable(name, selector),
  multi: true,
  includeAll: true,
  // Without it Grafana writes all the values: then what is chosen before narrows what is all.
  ...(allValue ? { allValue } : {}),
  current: { text: 'All', value: '$__all' },
})

/** Which of several collectors the dashboard is about: all, until the reader chooses. */
const ofCollectors = (name: string, selector: string): QueryVariable => {
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

/** A dashboard with the choice of the datasource at its top and the way to the others beside it. */
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
      ofCollectors('job', 'meshgauge_build_info'),
      ofCollectors('instance', 'meshgauge_build_info{job=~"$job"}'),
      ...variables,
    ],
  },
  annotations: { list: [] },
  panels: arrange(panels),
})
