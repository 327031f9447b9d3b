/** What /metrics says, in the format that the scraper asks for. */

import Negotiator from 'negotiator'
import type { Registry } from 'prom-client'
import { createCooperativeYielding } from '../../cooperative-yielding.ts'

/** The classic text format, and OpenMetrics, which alone carries exemplars. */
export type Format = 'text' | 'openmetrics'

export const CONTENT_TYPES: Readonly<Record<Format, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
}

/** Lines written before it is looked whether others are to have their turn: a fraction of a millisecond's work. */
const SLICE_LINES = 200

/** Media types that are served, in the order of preference when the scraper has none. */
const OFFERS: ReadonlyMap<string, Format> = new Map([
  ['text/plain;version=0.0.4', 'text'],
  ['application/openmetrics-text;version=1.0.0', 'openmetrics'],
  ['application/openmetrics-text;version=0.0.1', 'openmetrics'],
])

/** Parameters that do not matter here: the output is UTF-8, and its names need no escaping. */
const IGNORED_PARAMETERS = /;\s*(?:charset|escaping)=[^;,]*/gi

/** The format that the Accept header prefers; the classic text format when it names none that is served. */
export const formatOf = (accept: string | undefined): Format => {
  const headers = { accept: accept?.replace(IGNORED_PARAMETERS, '') }
  const preferred = new Negotiator({ headers }).mediaType([...OFFERS.keys()])
  return OFFERS.get(preferred ?? '') ?? 'text'
}

type Exemplar = { labelSet: Record<string, string>; value: number; timestamp: number }
type Value = {
  value: number
  labels: Partial<Record<string, string | number>>
  /** Where a metric has several, such as the buckets of a histogram. */
  metricName?: string
  exemplar?: Exemplar | null
}

const escapeText = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
const escapeQuoted = (text: string): string => escapeText(text).replaceAll('"', '\\"')

const writeNumber = (value: number): string => {
  if (Number.isFinite(value)) return String(value)
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'
}

// Bounds of buckets are written alike in both formats ("1", not "1.0"): they are labels, and a series must not change
// its name with what the scraper asked for.
const writeLabels = (labels: Value['labels']): string => {
  let text = ''
  for (const name in labels) {
    const value = String(labels[name])
    // Almost no label has anything to escape.
    const safe = /[\\"\n]/.test(value) ? escapeQuoted(value) : value
    text += `${text === '' ? '' : ','}${name}="${safe}"`
  }
  return text === '' ? '' : `{${text}}`
}

const writeExemplar = ({ labelSet, value, timestamp }: Exemplar): string =>
  ` # ${writeLabels(labelSet) || '{}'} ${writeNumber(value)} ${timestamp}`

const writeLine = (
  name: string,
  { metricName = name, labels, value, exemplar }: Value,
  open: boolean,
): string => {
  const shown = open && exemplar ? writeExemplar(exemplar) : ''
  return `${metricName}${writeLabels(labels)} ${writeNumber(value)}${shown}\n`
}

/** Everything in the registry as bytes; the event loop is never held for longer than a turn. */
export const renderMetrics = async (registry: Registry, format: Format): Promise<Buffer> => {
  const open = format === 'openmetrics'
  const turns = createCooperativeYielding()
  const slices: Buffer[] = []
  let [text, lines] = ['', 0]
  for (const { name } of registry.getMetricsAsArray()) {
    const metric = registry.getSingleMetric(name)
    if (!metric) continue
    const { help, type } = metric as unknown as { help: string; type: string }
    // OpenMetrics names a family of counters without what each of its samples ends in.
    const family = open && type === 'counter' ? name.replace(/_total$/, '') : name
    const { values } = (await metric.get()) as { values: Value[] }
    text += `# HELP ${family} ${open ? escapeQuoted(help) : escapeText(help)}\n# TYPE ${family} ${type}\n`
    for (const value of values) {
      text += writeLine(name, value, open)
      if (++lines % SLICE_LINES !== 0) continue
      slices.push(Buffer.from(text))
      text = ''
      await turns.yieldIfDue()
    }
  }
  return Buffer.concat([...slices, Buffer.from(open ? `${text}# EOF\n` : text)])
}
