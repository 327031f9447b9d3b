import Negotiator from 'negotiator'
import type { Registry } from 'prom-client'
import { createCooperativeYielding } from '../../cooperative-yielding.ts'

/** The text format of Prometheus, or OpenMetrics. Only OpenMetrics has exemplars. */
export type Format = 'text' | 'openmetrics'

export const CONTENT_TYPES: Readonly<Record<Format, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
}

/** Lines written between two checks whether to yield: a fraction of a millisecond of work. */
const SLICE_LINES = 200

/** Media types that are served, in the order of preference when the scraper has none. */
const OFFERS: ReadonlyMap<string, Format> = new Map([
  ['text/plain;version=0.0.4', 'text'],
  ['application/openmetrics-text;version=1.0.0', 'openmetrics'],
  ['application/openmetrics-text;version=0.0.1', 'openmetrics'],
])

/** Parameters that are ignored: the output is UTF-8, and its names need no escaping. */
const IGNORED_PARAMETERS = /;\s*(?:charset|escaping)=[^;,]*/gi

/** Returns the format that the Accept header prefers; the text format when it names none that is served. */
export const formatOf = (accept: string | undefined): Format => {
  const headers = { accept: accept?.replace(IGNORED_PARAMETERS, '') }
  const preferred = new Negotiator({ headers }).mediaType([...OFFERS.keys()])
  return OFFERS.get(preferred ?? '') ?? 'text'
}

type Exemplar = { labelSet: Record<string, string>; value: number; timestamp: number }
type Value = {
  value: number
  labels: Partial<Record<string, string | number>>
  /** The name of the sample when it differs from the metric's, such as for the buckets of a histogram. */
  metricName?: string
  exemplar?: Exemplar | null
}

const escapeText = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
const escapeQuoted = (text: string): string => escapeText(text).replaceAll('"', '\\"')

const writeNumber = (value: number): string => {
  if (Number.isFinite(value)) return String(value)
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'
}

// Bucket bounds are written the same in both formats ("1", not "1.0"): they are labels, and the identity of a series must
// not depend on the format of the scrape.
const writeLabels = (labels: Value['labels']): string => {
  let text = ''
  for (const name in labels) {
    const value = String(labels[name])
    // Almost no label contains a character to escape.
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
  hasExemplars: boolean,
): string => {
  const exemplarText = hasExemplars && exemplar ? writeExemplar(exemplar) : ''
  return `${metricName}${writeLabels(labels)} ${writeNumber(value)}${exemplarText}\n`
}

/** Returns all metrics of the registry in a format. Yields to other work between slices. */
export const renderMetrics = async (registry: Registry, format: Format): Promise<Buffer> => {
  const isOpenMetrics = format === 'openmetrics'
  const yielding = createCooperativeYielding()
  const slices: Buffer[] = []
  let [text, lines] = ['', 0]
  for (const { name } of registry.getMetricsAsArray()) {
    const metric = registry.getSingleMetric(name)
    if (!metric) continue
    const { help, type } = metric as unknown as { help: string; type: string }
    // In OpenMetrics the name of a counter family has no _total suffix; only its samples do.
    const family = isOpenMetrics && type === 'counter' ? name.replace(/_total$/, '') : name
    const { values } = (await metric.get()) as { values: Value[] }
    text += `# HELP ${family} ${isOpenMetrics ? escapeQuoted(help) : escapeText(help)}\n# TYPE ${family} ${type}\n`
    for (const value of values) {
      text += writeLine(name, value, isOpenMetrics)
      if (++lines % SLICE_LINES !== 0) continue
      slices.push(Buffer.from(text))
      text = ''
      await yielding.yieldIfDue()
    }
  }
  return Buffer.concat([...slices, Buffer.from(isOpenMetrics ? `${text}# EOF\n` : text)])
}
