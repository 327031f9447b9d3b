import {
  AggregationTemporality,
  InstrumentType,
  type MetricReader,
  PeriodicExportingMetricReader,
  type PushMetricExporter,
} from '@opentelemetry/sdk-metrics'

/** The SDK's default of 2,000 series per metric is too low: a fleet of 1,000 nodes has 12,000 series of throughput. */
const SERIES_LIMIT = 200_000

/** Defaults of OTEL_METRIC_EXPORT_INTERVAL and OTEL_METRIC_EXPORT_TIMEOUT in the OpenTelemetry specification. */
const INTERVAL_MS = 60_000
const TIMEOUT_MS = 30_000

/**
 * Wraps an exporter so that gauges export only their current series. With cumulative temporality the SDK repeats every
 * series that it ever observed, so nodes that left would stay permanently. With delta temporality it exports what was
 * observed this time; gauges have no temporality in the protocol, so receivers see no difference.
 */
const withCurrentGauges = (exporter: PushMetricExporter): PushMetricExporter => ({
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
 * Creates the exporter for the protocol in OTEL_EXPORTER_OTLP_METRICS_PROTOCOL or OTEL_EXPORTER_OTLP_PROTOCOL; the default
 * is http/protobuf. The exporter itself reads endpoint, headers, timeout and compression from the environment.
 */
const createExporter = async (environment: NodeJS.ProcessEnv): Promise<PushMetricExporter> => {
  const protocol =
    environment.OTEL_EXPORTER_OTLP_METRICS_PROTOCOL?.trim() || environment.OTEL_EXPORTER_OTLP_PROTOCOL?.trim()
  // Only the required exporter is loaded, because each needs tens of megabytes.
  const { OTLPMetricExporter } =
    protocol === 'grpc'
      ? await import('@opentelemetry/exporter-metrics-otlp-grpc')
      : protocol === 'http/json'
        ? await import('@opentelemetry/exporter-metrics-otlp-http')
        : await import('@opentelemetry/exporter-metrics-otlp-proto')
  return new OTLPMetricExporter()
}

/**
 * Creates the metric readers that the OTEL_* variables select. Exporters other than OTLP are ignored: Prometheus uses
 * /metrics.
 */
export const createMetricReaders = async (environment: NodeJS.ProcessEnv): Promise<MetricReader[]> => {
  const exporters = (environment.OTEL_METRICS_EXPORTER || 'otlp').split(',').map((name) => name.trim())
  return exporters.includes('otlp')
    ? [createMetricReader(await createExporter(environment), environment)]
    : []
}

/**
 * Creates the reader that sends the metrics to an OTLP exporter. Removed gauges disappear as on /metrics. Removed counters
 * of nodes and schedules stay in the SDK until the collector ends, as all cumulative sums do.
 */
export const createMetricReader = (
  exporter: PushMetricExporter,
  environment: NodeJS.ProcessEnv,
): MetricReader => {
  const exportIntervalMillis = milliseconds(environment.OTEL_METRIC_EXPORT_INTERVAL, INTERVAL_MS)
  const timeout = milliseconds(environment.OTEL_METRIC_EXPORT_TIMEOUT, TIMEOUT_MS)
  return new PeriodicExportingMetricReader({
    exporter: withCurrentGauges(exporter),
    exportIntervalMillis,
    exportTimeoutMillis: Math.min(timeout, exportIntervalMillis),
    cardinalityLimits: { default: SERIES_LIMIT },
  })
}
