import { metrics, type Tracer, trace } from '@opentelemetry/api'
import type { IMetricReader } from '@opentelemetry/sdk-metrics'
import { throwIfInvalid, type Violation } from './errors.ts'

export type Telemetry = { tracer: Tracer; close(): Promise<void> }

type Identity = { service: string; version: string; node: string }

type Signal = 'TRACES' | 'METRICS'

/** Sending what is left may take so long when the process ends; a backend that is gone must not hold it up. */
const CLOSE_SECONDS = 2

const isDisabled = (environment: NodeJS.ProcessEnv): boolean =>
  environment.OTEL_SDK_DISABLED?.trim().toLowerCase() === 'true'

/**
 * Whether a signal is sent: as OTEL_TRACES_EXPORTER or OTEL_METRICS_EXPORTER says; where that says nothing, when there
 * is an endpoint for it. (The specification would send to localhost then; here nothing is sent unasked.)
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

/** Whether it is an endpoint, and with gRPC also HOST:PORT alone, as the exporters read them. */
const isEndpoint = (text: string, protocol: string): boolean => {
  const isUrl = URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)
  return isUrl || (protocol === 'grpc' && !text.includes('://') && URL.canParse(`https://${text}`))
}

/** The exporters would send nothing to an endpoint that is none and not say so, or end the process as if by a bug. */
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
    violations.set(field, { field, description: `"${text}" is no endpoint; write ${example}` })
  }
  return [...violations.values()]
}

/**
 * Starts OpenTelemetry as the standard OTEL_* variables say. Where no traces are sent, spans are made all the same, so
 * that every result carries a trace id that means something once an endpoint is set.
 * @param metricReaders makes what sends metrics; asked only when metrics are sent
 * @throws OperatingError SPEC_INVALID for an endpoint that is none
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

/** As startTelemetry, for who carries on the traces of others and begins none: where none are sent it does nothing. */
export const startExport = async (environment: NodeJS.ProcessEnv, identity: Identity): Promise<Telemetry> => {
  const sent = { traces: isSent(environment, 'TRACES'), metrics: false }
  if (sent.traces) return startSdk(environment, identity, sent, async () => [])
  return { tracer: trace.getTracer(identity.service, identity.version), close: async () => undefined }
}

// The SDK is loaded only where it is used: it costs a third of an agent's memory and of its start.

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
    // The SDK's own host detector would put the machine's name in the place of the node's.
    resourceDetectors: [envDetector],
    instrumentations: [],
    // Absent, it is made from OTEL_EXPORTER_OTLP_* (protocol, endpoint, headers, timeout, compression), as is the sampler.
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
      // What cannot be sent any more is lost, as it is while the process runs (OTEL_LOG_LEVEL=warn shows it).
      const lost = () => undefined
      await Promise.race([sdk.shutdown().catch(lost), timeout.promise])
      clearTimeout(timer)
    },
  }
}

/** The meter that the OTLP sink of the metrics catalogue writes to. */
export const meter = (service: string, version: string) => metrics.getMeter(service, version)
