import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { DASHBOARDS } from '../../deploy/grafana/dashboards.ts'
import type { Dashboard, Panel } from '../../deploy/grafana/schema.ts'

const ROOT = new URL('../..', import.meta.url).pathname

/** For each panel type, the folder and type names in @grafana/schema that describe its options. */
const OPTIONS: Record<Panel['type'], { folder: string; name: string; custom?: string }> = {
  stat: { folder: 'stat', name: 'Stat' },
  table: { folder: 'table', name: 'Table', custom: 'FieldConfig' },
  timeseries: { folder: 'timeseries', name: 'TimeSeries', custom: 'FieldConfig' },
  'state-timeline': { folder: 'statetimeline', name: 'StateTimeline', custom: 'FieldConfig' },
}

const HEAD = [
  "import type { Dashboard, Panel } from '@grafana/schema'",
  ...Object.values(OPTIONS).map(
    ({ folder, name }) =>
      `import type * as ${name} from '@grafana/schema/dist/esm/raw/composable/${folder}/panelcfg/x/${name}PanelCfg_types.gen'`,
  ),
  // JSON contains the values of enumerations, not their names, and Grafana fills in missing fields.
  `type Json<T> = T extends string ? \`\${T}\`
    : T extends number | boolean | null | undefined ? T
    : T extends (infer Item)[] ? Json<Item>[]
    : T extends object ? { [Key in keyof T]?: Json<T[Key]> } : T`,
]

const declare = (type: string, value: unknown): string =>
  `export const _: Json<${type}> = ${JSON.stringify(value)}`

const literalsOf = ({ panels, templating, ...dashboard }: Dashboard): string[] => [
  // Grafana's dashboards have `definition`, the text of a variable's query, but its types lack it.
  declare('Dashboard', {
    ...dashboard,
    panels: [],
    templating: { list: templating.list.map((variable) => ({ ...variable, definition: undefined })) },
  }),
  ...panels.flatMap((panel) => {
    const { name, custom } = OPTIONS[panel.type]
    return [
      declare('Panel', panel),
      declare(`${name}.Options`, panel.options),
      ...(custom ? [declare(`${name}.${custom}`, panel.fieldConfig.defaults.custom ?? {})] : []),
    ]
  }),
]

/** The errors that TypeScript reports for the dashboards as literals of Grafana's types, such as misspelled options. */
const typeErrorsOf = async (dashboards: readonly Dashboard[]): Promise<string[]> => {
  // Inside the repository, so that TypeScript finds the packages.
  const folder = await mkdtemp(join(ROOT, 'node_modules/.grafana-schema-'))
  try {
    const literals = dashboards.flatMap(literalsOf)
    const lines = literals.map((literal, index) => literal.replace('_', `_${index}`))
    await writeFile(join(folder, 'dashboards.ts'), [...HEAD, ...lines].join('\n'))
    const options = [
      '--ignoreConfig',
      '--noEmit',
      '--strict',
      '--module',
      'nodenext',
      '--skipLibCheck',
      '--types',
      '',
    ]
    const { stdout, stderr, exitCode } = await execa(
      join(ROOT, 'node_modules/.bin/tsc'),
      [...options, 'dashboards.ts'],
      {
        cwd: folder,
        reject: false,
      },
    )
    const faults = stdout.split('\n').filter((line) => line.includes('error'))
    // A tsc that failed to start or was killed also reports no errors.
    if (exitCode !== 0 && faults.length === 0) throw new Error(`tsc: exit ${exitCode}: ${stdout}${stderr}`)
    return faults
  } finally {
    await rm(folder, { recursive: true })
  }
}

test('the dashboards conform to the types of @grafana/schema', async () => {
  expect(await typeErrorsOf(Object.values(DASHBOARDS))).toEqual([])
})

test('an unknown option and an invalid value are found', async () => {
  const board = DASHBOARDS.fleet!
  const panel = board.panels.find(({ type }) => type === 'stat')!
  const typeErrorsWith = (options: object) =>
    typeErrorsOf([{ ...board, panels: [{ ...panel, options: { ...panel.options, ...options } }] }])
  expect(await typeErrorsWith({ colourMode: 'value' })).toEqual([expect.stringContaining('colourMode')])
  expect(await typeErrorsWith({ colorMode: 'red' })).toEqual([expect.stringContaining('"red"')])
})
