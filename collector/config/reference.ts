import { type ConfigEntry, configEntries, type JsonSchema, keyOf } from './json-schema.ts'

const HEADING = `# Configuration of the collector

Every key of the YAML file of \`meshgauge collector --config FILE\`. Generated from the schema by \`npm run config-reference\`;
a test compares it. \`meshgauge config check FILE\` lists all problems of a file with their locations.
\`meshgauge config schema\` prints the JSON Schema. With it, an editor completes and checks the keys: save it as
\`meshgauge.schema.json\`, and begin the file with \`# yaml-language-server: $schema=meshgauge.schema.json\`.

A duration is text such as \`10s\`, \`5m\`, \`1h30m\` or \`30d\`. A size is text such as \`64M\` or \`4G\`, in powers of 1024.
Unless a key is required, it may be absent; the default is then stated.
`

const SECTIONS: readonly (readonly [title: string, pattern: RegExp, intro: string])[] = [
  ['Collector', /^(listen|http|store|insecure|tls|nodes)\b/, ''],
  ['Health checks', /^(checks|autopilot)\b/, ''],
  ['Storage', /^storage\b/, ''],
  ['Schedules', /^(schedules|default_schedules)\b/, ''],
  ['Profiles', /^profiles\b/, ''],
  [
    'Tests',
    /^test\./,
    'The keys of `schedules[].run` and of `profiles[].tests[]`. `profiles[].global` has those that choose pairs and times.\n',
  ],
  ['Expectations', /^expectations\./, 'The keys of `expectations`, of a test or of a profile.\n'],
]

const code = (text: string): string => `\`${text}\``

const typeOf = ({ type, enum: choices, items, anyOf, examples }: JsonSchema): string => {
  if (choices) return choices.map((choice) => code(String(choice))).join(', ')
  if (type === 'array') return items?.type === 'object' ? 'list of maps' : 'list'
  if (type === 'object') return 'map'
  if (examples) return String(examples[0]).endsWith('M') ? 'size' : 'duration'
  if (anyOf || Array.isArray(type)) return 'text or number'
  return type === undefined ? 'any' : type === 'string' ? 'text' : type
}

const defaultOf = ({ schema, isRequired }: ConfigEntry): string => {
  if (isRequired) return '**required**'
  const { default: value } = schema
  const isEmpty =
    value === undefined ||
    value === '' ||
    (typeof value === 'object' && Object.keys(value ?? {}).length === 0)
  return isEmpty ? '' : code(Array.isArray(value) ? value.join(', ') : String(value))
}

const rowOf = (name: string, entry: ConfigEntry): string =>
  `| ${[code(name), typeOf(entry.schema), defaultOf(entry), (entry.schema.description ?? '').replaceAll('|', '\\|')].join(' | ')} |`

/** Returns the page that lists each key of the config with its type, default and meaning. */
export const configReference = (): string => {
  const entries = new Map<string, ConfigEntry>()
  for (const entry of configEntries())
    if (!entries.has(keyOf(entry.path))) entries.set(keyOf(entry.path), entry)
  const sections = SECTIONS.map(([title, pattern, intro]) => {
    const rows = [...entries]
      .filter(([name]) => pattern.test(name))
      .map(([name, entry]) => rowOf(name.replace(/^(test|expectations)\./, ''), entry))
    return [
      `## ${title}`,
      '',
      ...(intro ? [intro] : []),
      '| key | type | default | meaning |',
      '|---|---|---|---|',
      ...rows,
    ].join('\n')
  })
  return `${[HEADING, sections.join('\n\n')].join('\n')}\n`
}
