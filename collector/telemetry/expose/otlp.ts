import {
  AggregationTemporality,
  InstrumentType,
  type MetricReader,
  PeriodicExportingMetricReader,
  type PushMetricExporter,
} from '@opentelemetry/sdk-metrics'

/** The SDK folds all series of a metric beyond 2,000 into one; a fleet of 1,000 nodes has 12,000 throughputs. */
const SERIES_LIMIT = 200_000

/** As the OpenTelemetry specification says for OTEL_METRIC_EXPORT_INTERVAL and OTEL_METRIC_EXPORT_TIMEOUT. */
const INTERVAL_MS = 60_000
const TIMEOUT_MS = 30_000

/**
 * Asked for cumulative gauges, the SDK repeats every series it ever saw, so departed nodes would stay for ever.
 * A gauge has no temporality on the wire; asked for deltas, the SDK sends what was observed this time.
 */
const forgettingGauges = (exporter: PushMetricExporter): PushMetricExporter => ({
  export: (metrics, done) => exporter.export(metrics, done),
  forceFlush: () => exporter.forceFlush(),
  shutdown: () => exporter.shutdown(),
  ...(exporter.selectAggregation ? { selectAggregation: exporter.selectAggregation.bind(exporter) } : {}),
  selectAggregationTemporality: (type) =>
    type === InstrumentType.OBSERVABLE_GAUGE
      ? AggregationTemporality.DELTA
      : (exporter.selectAggregationTemporality?.(type) ?? AggregationTemporality.CUMULATIVE),
})

const milliseconds = (text: string | undefined, usual: number): number => {
  const value = Number(text)
  return Number.isInteger(value) && value > 0 ? value : usual
}

/**
 * The exporter that OTEL_EXPORTER_OTLP_METRICS_PROTOCOL or OTEL_EXPORTER_OTLP_PROTOCOL names; http/protobuf, as the
 * specification has it, where neither does. Endpoint, headers, timeout and compression it reads itself.
 */
const createExporter = async (environment: NodeJS.ProcessEnv): Promise<PushMetricExporter> => {
  const protocol =
    environment.OTEL_EXPORTER_OTLP_METRICS_PROTOCOL?.trim() || environment.OTEL_EXPORTER_OTLP_PROTOCOL?.trim()
  // One of them is loaded: each brings tens of megabytes.
  const { OTLPMetricExporter } =
    protocol === 'grpc'
      ? await import('@opentelemetry/exporter-metrics-otlp-grpc')
      : protocol === 'http/json'
        ? await import('@opentelemetry/exporter-metrics-otlp-http')
        : await import('@opentelemetry/exporter-metrics-otlp-proto')
  return new OTLPMetricExporter()
}

/** What sends metrics as the OTEL_* variables say; nothing for other exporters than OTLP, for /metrics is there anyhow. */
export const createMetricReaders = async (environment: NodeJS.ProcessEnv): Promise<MetricReader[]> => {
  const exporters = (environment.OTEL_METRICS_EXPORTER || 'otlp').split(',').map((name) => name.trim())
  return exporters.includes('otlp')
    ? [createMetricReader(await createExporter(environment), environment)]
    : []
}

/**
 * The reader that sends the catalogue to an OTLP exporter. Gauges go when they go on /metrics; the few counters that name
 * a node or a schedule stay in the SDK until the collector ends, as all cumulative sums do.
 */
export const createMetricReader = (
  exporter: PushMetricExporter,
  environment: NodeJS.ProcessEnv,
): MetricReader => {
  const exportIntervalMillis = milliseconds(environment.OTEL_METRIC_EXPORT_INTERVAL, INTERVAL_MS)
  const timeout = milliseconds(environment.OTEL_METRIC_EXPORT_TIMEOUT, TIMEOUT_MS)
  return new PeriodicExportingMetricReader({
    exporter: forgettingGauges(exporter),
    exportIntervalMillis,
    exportTimeoutMillis: Math.min(timeout, exportIntervalMillis),
    cardinalityLimits: { default: SERIES_LIMIT },
  })
}
