import { collectDefaultMetrics, Registry } from 'prom-client'
import { CATALOGUE } from './catalogue.ts'
import type { MetricDefinition } from './definition.ts'

const HEADING = `# Metrics of the collector

Generated from the catalogue by \`npm run metrics\`; a test compares it. The same names and values are exported on
\`/metrics\` and over OTLP. All durations are in seconds, all rates in bits per second, all ratios from 0 to 1. The number
of series is O(nodes): labels do not name pairs, except \`meshgauge_pair_*\` (with at most 2,000 pairs),
\`meshgauge_mesh_pair_*\` (with at most 8,192 paths: 64 nodes with two interfaces) and the ten worst pairs.

In the OpenMetrics format (which Prometheus requests with \`--enable-feature=exemplar-storage\`), the counters and
histograms of runs have exemplars: the \`trace_id\` of the counted run.
`

const UNITS: Readonly<Record<string, string>> = {
  s: 'seconds',
  '1': 'ratio',
  '{bit}/s': 'bits/s',
  By: 'bytes',
}

const escapeCell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ')

const code = (text: string): string => `\`${text}\``

/** Separates the sentence about the normal value from the rest of a help text. */
const splitHelp = (help: string): { meaning: string; normal: string } => {
  const sentences = help.split(/(?<=\.)\s+(?=[A-Z])/)
  const first = sentences.findIndex((sentence) => /^Normal|^Always/.test(sentence))
  // Some help texts have no normal value, and some consist only of it.
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

/** prom-client's metrics of the process. All Prometheus client libraries use the same names. */
const processRows = (): string[] => {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  return registry
    .getMetricsAsArray()
    .filter(({ name }) => name.startsWith('process_'))
    .map(({ name, help }) => `| ${code(name)} | ${help.replace(/\.?$/, '.')} |`)
}

/** Returns the page that lists each metric with its type, unit, labels, meaning and normal value. */
export const metricsReference = (): string =>
  [
    HEADING,
    table(['metric', 'type', 'unit', 'labels', 'meaning', 'normal'], Object.values(CATALOGUE).map(rowOf)),
    '',
    'Metrics of the process (and `nodejs_*` of its runtime):',
    '',
    table(['metric', 'meaning'], processRows()),
    '',
  ].join('\n')
