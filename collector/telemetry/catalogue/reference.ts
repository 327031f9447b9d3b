import { collectDefaultMetrics, Registry } from 'prom-client'
import { CATALOGUE, type MetricDefinition } from './catalogue.ts'

const HEADING = `# Every metric of the collector

Made from the catalogue by \`npm run metrics\`; a test compares it. The same names and values go out on \`/metrics\` and
over OTLP. All durations are in seconds, all rates in bits per second, all ratios from 0 to 1. Series are O(N) in nodes:
labels never name a pair, but for \`meshgauge_pair_*\` (while there are at most 2,000 pairs), \`meshgauge_mesh_pair_*\` (at
most 8,192 paths: 64 nodes with two interfaces) and the ten worst pairs.

Scraped as OpenMetrics (Prometheus with \`--enable-feature=exemplar-storage\` asks for it), counters and histograms of
runs carry exemplars: the \`trace_id\` of the run that was counted.
`

const UNITS: Readonly<Record<string, string>> = {
  s: 'seconds',
  '1': 'ratio',
  '{bit}/s': 'bits/s',
  By: 'bytes',
}

const escapeCell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ')

const code = (text: string): string => `\`${text}\``

/** The last sentence of a help that begins to say what is normal, and what comes before it. */
const splitHelp = (help: string): { meaning: string; normal: string } => {
  const sentences = help.split(/(?<=\.)\s+(?=[A-Z])/)
  const first = sentences.findIndex((sentence) => /^Normal|^Always/.test(sentence))
  // Some have no normal value, and some are nothing else.
  if (first < 0 || sentences.length === 1) return { meaning: help, normal: '' }
  const normal = sentences[first]!.replace(/^Normal(ly)?( codes are| is)? ?/, '')
  return {
    meaning: sentences.filter((_, index) => index !== first).join(' '),
    normal: `${normal.slice(0, 1).toUpperCase()}${normal.slice(1)}`,
  }
}

const rowOf = ({ name, kind, unit, labels, help, buckets }: MetricDefinition): string => {
  const { meaning, normal } = splitHelp(help)
  const bounds = buckets ? ` Buckets: ${buckets.join(', ')}.` : ''
  const cells = [
    code(name),
    kind,
    UNITS[unit] ?? unit.replace(/[{}]/g, ''),
    labels.map(code).join(' '),
    `${meaning}${bounds}`,
    normal,
  ]
  return `| ${cells.map(escapeCell).join(' | ')} |`
}

const table = (head: readonly string[], rows: readonly string[]): string =>
  [`| ${head.join(' | ')} |`, `|${head.map(() => '---').join('|')}|`, ...rows].join('\n')

/** What prom-client knows of the process; the names are those of every Prometheus client library. */
const processRows = (): string[] => {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  return registry
    .getMetricsAsArray()
    .filter(({ name }) => name.startsWith('process_'))
    .map(({ name, help }) => `| ${code(name)} | ${help.replace(/\.?$/, '.')} |`)
}

/** The page that says what each metric is, what is normal of it, and which labels it has. */
export const metricsReference = (): string =>
  [
    HEADING,
    table(['metric', 'type', 'unit', 'labels', 'what it is', 'normal'], Object.values(CATALOGUE).map(rowOf)),
    '',
    'Of the process itself (and `nodejs_*` of its runtime):',
    '',
    table(['metric', 'what it is'], processRows()),
    '',
  ].join('\n')
