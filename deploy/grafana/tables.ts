import { dashboardUrl, type PanelOptions, panel, refIdOf, type UIDS, type Unit } from './panels.ts'
import type { Panel, PanelLink } from './schema.ts'

/** A table with one row per current series. */
export const table = (given: PanelOptions): Panel => ({
  ...panel('table', given, {
    instant: true,
    custom: { align: 'auto', filterable: true },
    options: { showHeader: true, cellHeight: 'sm' },
  }),
  transformations: [
    {
      id: 'organize',
      options: { excludeByName: { Time: true, __name__: true, job: true, instance: true } },
    },
  ],
})

type TableOptions = Omit<PanelOptions, 'unit' | 'queries' | 'steps' | 'words'> & {
  /** The value columns. Their queries return the same labels. */
  columns: readonly { title: string; unit: Unit; expr: string }[]
}

/** A table with several values per row. */
export const multiColumnTable = ({ columns, ...given }: TableOptions): Panel => {
  const base = table({ ...given, unit: 'short', queries: columns.map(({ expr }) => ({ expr })) })
  const nameOf = (index: number) => `Value #${refIdOf(index)}`
  const hidden = { Time: true, __name__: true, job: true, instance: true }
  const titles = Object.fromEntries(columns.map(({ title }, index) => [nameOf(index), title]))
  return {
    ...base,
    fieldConfig: {
      ...base.fieldConfig,
      overrides: columns.map(({ title, unit }) => ({
        matcher: { id: 'byName', options: title },
        properties: [{ id: 'unit', value: unit }],
      })),
    },
    transformations: [
      { id: 'merge', options: {} },
      { id: 'organize', options: { excludeByName: hidden, renameByName: titles } },
    ],
  }
}

type MatrixOptions = PanelOptions & {
  next: keyof typeof UIDS
  /** The labels whose values become rows and columns. */
  rows: string
  columns: string
  /** The variable of the next dashboard that a click sets to the row and column of the cell. */
  variable: string
}

/** A matrix of current values, with the values of one label as rows and of another as columns. */
export const matrix = ({ rows, columns, variable, ...given }: MatrixOptions): Panel => {
  const base = panel('table', given, {
    instant: true,
    custom: { align: 'center', minWidth: 64, cellOptions: { type: 'color-background', mode: 'basic' } },
    options: { showHeader: true, cellHeight: 'sm' },
  })
  // The name of the row field contains a backslash, which URLs do not allow. It is always the first field.
  const [row, column] = ['$' + '{__data.fields[0]}', '$' + '{__field.name}']
  const link = (title: string, values: readonly string[]): PanelLink => ({
    title,
    url: dashboardUrl(
      given.next,
      values.map((value) => [variable, value] as const),
    ),
    targetBlank: false,
  })
  const { defaults } = base.fieldConfig
  return {
    ...base,
    fieldConfig: {
      defaults: { ...defaults, links: [link('Open this pair', [row, column])] },
      overrides: [
        {
          matcher: { id: 'byType', options: 'string' },
          properties: [
            { id: 'custom.cellOptions', value: { type: 'auto' } },
            { id: 'custom.align', value: 'left' },
            { id: 'links', value: [link('Open this row', [row])] },
          ],
        },
      ],
    },
    transformations: [
      { id: 'sortBy', options: { sort: [{ field: columns }] } },
      {
        id: 'groupingToMatrix',
        options: { rowField: rows, columnField: columns, valueField: 'Value', emptyValue: 'null' },
      },
      { id: 'sortBy', options: { sort: [{ field: `${rows}\\${columns}` }] } },
    ],
  }
}
