import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { DASHBOARDS } from '../../deploy/grafana/dashboards.ts'
import type { Dashboard, Panel } from '../../deploy/grafana/schema.ts'

const ROOT = new URL('../..', import.meta.url).pathname

/** By the type of a panel: where Grafana's own package says what its options are, and their names there. */
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
  // JSON has the values of enumerations and not their names, and Grafana fills in what is not there.
  `type Json<T> = T extends string ? \`\${T}\`
    : T extends number | boolean | null | undefined ? T
    : T extends (infer Item)[] ? Json<Item>[]
    : T extends object ? { [Key in keyof T]?: Json<T[Key]> } : T`,
]

const declare = (type: string, value: unknown): string =>
  `export const _: Json<${type}> = ${JSON.stringify(value)}`

const literalsOf = ({ panels, templating, ...dashboard }: Dashboard): string[] => [
  // The text of a variable's query; Grafana's own dashboards have it, its types do not.
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

/** What TypeScript says of the dashboards as literals of Grafana's own types: misspelt and misplaced are errors. */
const faultsOf = async (dashboards: readonly Dashboard[]): Promise<string[]> => {
  // Beside the packages, so that they are found.
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
    // One that was ended, or could not begin, has found nothing either.
    if (exitCode !== 0 && faults.length === 0) throw new Error(`tsc: exit ${exitCode}: ${stdout}${stderr}`)
    return faults
  } finally {
    await rm(folder, { recursive: true })
  }
}

test('the dashboards are what Grafana itself says that dashboards are', async () => {
  expect(await faultsOf(Object.values(DASHBOARDS))).toEqual([])
})

test('an option that Grafana does not have, and a value that one does not take, are found', async () => {
  const board = DASHBOARDS.fleet!
  const panel = board.panels.find(({ type }) => type === 'stat')!
  const faultsWith = (options: object) =>
    faultsOf([{ ...board, panels: [{ ...panel, options: { ...panel.options, ...options } }] }])
  expect(await faultsWith({ colourMode: 'value' })).toEqual([expect.stringContaining('colourMode')])
  expect(await faultsWith({ colorMode: 'red' })).toEqual([expect.stringContaining('"red"')])
})
