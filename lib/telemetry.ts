import { metrics, type Tracer, trace } from '@opentelemetry/api'
import type { IMetricReader } from '@opentelemetry/sdk-metrics'
import { throwIfInvalid, type Violation } from './errors.ts'

export type Telemetry = { tracer: Tracer; close(): Promise<void> }

type Identity = { service: string; version: string; node: string }

type Signal = 'TRACES' | 'METRICS'

/** Maximum time for the last export when the process ends, so that an unreachable backend does not delay the end. */
const CLOSE_SECONDS = 2

const isDisabled = (environment: NodeJS.ProcessEnv): boolean =>
  environment.OTEL_SDK_DISABLED?.trim().toLowerCase() === 'true'

/**
 * Whether a signal is exported: as set by OTEL_TRACES_EXPORTER or OTEL_METRICS_EXPORTER; by default, only when it has an
 * endpoint. (The OpenTelemetry specification exports to localhost by default.)
 */
const isSent = (environment: NodeJS.ProcessEnv, signal: Signal): boolean => {
  if (isDisabled(environment)) return false
  const exporter = environment[`OTEL_${signal}_EXPORTER`]?.trim()
  if (exporter) return exporter !== 'none'
  return Boolean(
    environment.OTEL_EXPORTER_OTLP_ENDPOINT?.trim() ||
      environment[`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`]?.trim(),
  )
}

const variable = (environment: NodeJS.ProcessEnv, name: string) => environment[name]?.trim() ?? ''

/** Whether the exporters accept the text as endpoint: a URL, or HOST:PORT with gRPC. */
const isEndpoint = (text: string, protocol: string): boolean => {
  const isUrl = URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)
  return isUrl || (protocol === 'grpc' && !text.includes('://') && URL.canParse(`https://${text}`))
}

/** Checks endpoints, because the exporters ignore an invalid endpoint silently or crash the process. */
const reviewEndpoints = (environment: NodeJS.ProcessEnv, signals: readonly Signal[]): Violation[] => {
  const violations = new Map<string, Violation>()
  for (const signal of signals) {
    const [own, all] = [`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`, 'OTEL_EXPORTER_OTLP_ENDPOINT']
    const field = variable(environment, own) ? own : all
    const text = variable(environment, field)
    const protocol =
      variable(environment, `OTEL_EXPORTER_OTLP_${signal}_PROTOCOL`) ||
      variable(environment, 'OTEL_EXPORTER_OTLP_PROTOCOL')
    if (text === '' || isEndpoint(text, protocol)) continue
    const example = protocol === 'grpc' ? 'http://HOST:4317' : 'http://HOST:4318'
    violations.set(field, { field, description: `"${text}" is not an endpoint; write ${example}` })
  }
  return [...violations.values()]
}

/**
 * Starts OpenTelemetry as configured by the OTEL_* variables. Without trace export, spans are still created, so that every
 * result has a trace id. `metricReaders` creates the metric exporters, and is called only when metrics are exported.
 * @throws OperatingError SPEC_INVALID for an invalid endpoint
 */
export const startTelemetry = (
  environment: NodeJS.ProcessEnv,
  identity: Identity,
  metricReaders: () => Promise<IMetricReader[]> = async () => [],
): Promise<Telemetry> => {
  const sent = { traces: isSent(environment, 'TRACES'), metrics: isSent(environment, 'METRICS') }
  return sent.traces || sent.metrics
    ? startSdk(environment, identity, sent, metricReaders)
    : startIds(identity)
}

/** Like startTelemetry, for processes that only continue traces of callers. Does nothing without trace export. */
export const startExport = async (environment: NodeJS.ProcessEnv, identity: Identity): Promise<Telemetry> => {
  const sent = { traces: isSent(environment, 'TRACES'), metrics: false }
  if (sent.traces) return startSdk(environment, identity, sent, async () => [])
  return { tracer: trace.getTracer(identity.service, identity.version), close: async () => undefined }
}

// The SDK is loaded only when used, because it takes a third of an agent's memory and start time.

const startIds = async ({ service, version }: Identity): Promise<Telemetry> => {
  const { TracerProvider } = await import('@opentelemetry/sdk-trace')
  const provider = new TracerProvider({ spanProcessors: [] })
  return { tracer: provider.getTracer(service, version), close: () => provider.shutdown() }
}

const startSdk = async (
  environment: NodeJS.ProcessEnv,
  identity: Identity,
  sent: { traces: boolean; metrics: boolean },
  metricReaders: () => Promise<IMetricReader[]>,
): Promise<Telemetry> => {
  const { service, version, node } = identity
  const signals = (['TRACES', 'METRICS'] as const).filter((signal) => isSent(environment, signal))
  throwIfInvalid('the environment', reviewEndpoints(environment, signals))
  const [{ NodeSDK }, { envDetector, resourceFromAttributes }, semantic] = await Promise.all([
    import('@opentelemetry/sdk-node'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/semantic-conventions'),
  ])
  const sdk = new NodeSDK({
    resource: resourceFromAttributes({
      [semantic.ATTR_SERVICE_NAME]: environment.OTEL_SERVICE_NAME || service,
      [semantic.ATTR_SERVICE_VERSION]: version,
      'host.name': node,
    }),
    // Without the SDK's host detector, which would replace the node's name by the machine's.
    resourceDetectors: [envDetector],
    instrumentations: [],
    // When absent, the SDK creates exporter and sampler from the OTEL_* variables.
    ...(sent.traces ? {} : { spanProcessors: [] }),
    metricReaders: sent.metrics ? await metricReaders() : [],
    logRecordProcessors: [],
  })
  sdk.start()
  const ids = sent.traces ? undefined : await startIds(identity)
  return {
    tracer: ids?.tracer ?? trace.getTracer(service, version),
    close: async () => {
      const timeout = Promise.withResolvers<void>()
      const timer = setTimeout(timeout.resolve, CLOSE_SECONDS * 1000)
      // Data that cannot be exported is dropped, as during operation (OTEL_LOG_LEVEL=warn logs it).
      const lost = () => undefined
      await Promise.race([sdk.shutdown().catch(lost), timeout.promise])
      clearTimeout(timer)
    },
  }
}

/** The meter of the metrics catalogue for the OTLP export. */
export const meter = (service: string, version: string) => metrics.getMeter(service, version)
