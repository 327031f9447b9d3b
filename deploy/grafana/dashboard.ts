import { arrange, DATASOURCE, dashboardUrl, UIDS } from './panels.ts'
import type { Dashboard, Panel, QueryVariable } from './schema.ts'

/** A choice of the values of one label, as they are in Prometheus. */
export const labelVariable = (name: string, metric: string): QueryVariable => {
  const query = `label_values(${metric}, ${name})`
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
        label: 'Prometheus',
        query: 'prometheus',
        hide: 0,
        multi: false,
        includeAll: false,
        refresh: 1,
        regex: '',
      },
      ...variables,
    ],
  },
  annotations: { list: [] },
  panels: arrange(panels),
})
