// Converts OTLP messages, as proto-loader decodes them (64-bit integers as text), to plain values for tests.

type AnyValue = {
  value?:
    | 'stringValue'
    | 'boolValue'
    | 'intValue'
    | 'doubleValue'
    | 'arrayValue'
    | 'kvlistValue'
    | 'bytesValue'
  stringValue?: string
  boolValue?: boolean
  intValue?: string
  doubleValue?: number
  bytesValue?: Buffer
  arrayValue?: { values: AnyValue[] }
  kvlistValue?: { values: KeyValue[] }
}
type KeyValue = { key: string; value: AnyValue | null }
type Scope = { name: string; version: string }
type Resource = { attributes: KeyValue[] } | null

type WireSpan = {
  traceId: Buffer
  spanId: Buffer
  parentSpanId: Buffer
  name: string
  kind: string
  startTimeUnixNano: string
  endTimeUnixNano: string
  attributes: KeyValue[]
  events: { name: string; attributes: KeyValue[] }[]
  links: { traceId: Buffer; spanId: Buffer }[]
  status: { code: string; message: string } | null
}

type NumberPoint = { attributes: KeyValue[]; value: 'asDouble' | 'asInt'; asDouble?: number; asInt?: string }
type HistogramPoint = {
  attributes: KeyValue[]
  count: string
  sum: number
  bucketCounts: string[]
  explicitBounds: number[]
}

type WireMetric = {
  name: string
  description: string
  unit: string
  data: 'gauge' | 'sum' | 'histogram'
  gauge?: { dataPoints: NumberPoint[] }
  sum?: { dataPoints: NumberPoint[]; isMonotonic: boolean; aggregationTemporality: string }
  histogram?: { dataPoints: HistogramPoint[]; aggregationTemporality: string }
}

export type TraceRequest = {
  resourceSpans: { resource: Resource; scopeSpans: { scope: Scope; spans: WireSpan[] }[] }[]
}
export type MetricsRequest = {
  resourceMetrics: { resource: Resource; scopeMetrics: { scope: Scope; metrics: WireMetric[] }[] }[]
}

export type Attributes = Record<string, unknown>

export type ReceivedSpan = {
  traceId: string
  spanId: string
  /** Undefined for a root span. */
  parentSpanId: string | undefined
  name: string
  kind: string
  /** Seconds since 1970. */
  startSeconds: number
  endSeconds: number
  attributes: Attributes
  events: { name: string; attributes: Attributes }[]
  links: { traceId: string; spanId: string }[]
  status: { code: string; message: string }
  resource: Attributes
  scope: string
}

export type ReceivedPoint = {
  attributes: Attributes
  /** The value of a gauge or a sum, or the count of a histogram. */
  value: number
  histogram?: { sum: number; bounds: number[]; counts: number[] }
}

export type ReceivedMetric = {
  name: string
  description: string
  unit: string
  kind: 'gauge' | 'sum' | 'histogram'
  monotonic: boolean
  points: ReceivedPoint[]
  resource: Attributes
  scope: string
}

const plain = (value: AnyValue | null): unknown => {
  if (!value?.value) return undefined
  if (value.arrayValue) return value.arrayValue.values.map(plain)
  if (value.kvlistValue) return plainAttributes(value.kvlistValue.values)
  if (value.value === 'intValue') return Number(value.intValue)
  return value[value.value]
}

const plainAttributes = (attributes: readonly KeyValue[]): Attributes =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, plain(value)]))

const hex = (bytes: Buffer): string => Buffer.from(bytes).toString('hex')
const seconds = (nanoseconds: string): number => Number(BigInt(nanoseconds) / 1000n) / 1e6

export const readSpans = ({ resourceSpans }: TraceRequest): ReceivedSpan[] =>
  resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ scope, spans }) =>
      spans.map((span) => ({
        traceId: hex(span.traceId),
        spanId: hex(span.spanId),
        parentSpanId: span.parentSpanId.length > 0 ? hex(span.parentSpanId) : undefined,
        name: span.name,
        kind: span.kind.replace('SPAN_KIND_', ''),
        startSeconds: seconds(span.startTimeUnixNano),
        endSeconds: seconds(span.endTimeUnixNano),
        attributes: plainAttributes(span.attributes),
        events: span.events.map(({ name, attributes }) => ({
          name,
          attributes: plainAttributes(attributes),
        })),
        links: span.links.map(({ traceId, spanId }) => ({ traceId: hex(traceId), spanId: hex(spanId) })),
        status: {
          code: (span.status?.code ?? 'STATUS_CODE_UNSET').replace('STATUS_CODE_', ''),
          message: span.status?.message ?? '',
        },
        resource: plainAttributes(resource?.attributes ?? []),
        scope: scope.name,
      })),
    ),
  )

const readPoints = ({ gauge, sum, histogram }: WireMetric): ReceivedPoint[] =>
  histogram
    ? histogram.dataPoints.map((point) => ({
        attributes: plainAttributes(point.attributes),
        value: Number(point.count),
        histogram: { sum: point.sum, bounds: point.explicitBounds, counts: point.bucketCounts.map(Number) },
      }))
    : (gauge ?? sum)!.dataPoints.map((point) => ({
        attributes: plainAttributes(point.attributes),
        value: Number(point[point.value]),
      }))

export const readMetrics = ({ resourceMetrics }: MetricsRequest): ReceivedMetric[] =>
  resourceMetrics.flatMap(({ resource, scopeMetrics }) =>
    scopeMetrics.flatMap(({ scope, metrics }) =>
      metrics
        // proto-loader leaves `data` undefined for kinds that otlp-proto does not define.
        .filter(({ data }) => data !== undefined)
        .map((metric) => ({
          name: metric.name,
          description: metric.description,
          unit: metric.unit,
          kind: metric.data,
          monotonic: metric.sum?.isMonotonic ?? false,
          points: readPoints(metric),
          resource: plainAttributes(resource?.attributes ?? []),
          scope: scope.name,
        })),
    ),
  )
