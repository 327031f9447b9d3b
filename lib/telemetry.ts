import { metrics, type Tracer, trace } from '@opentelemetry/api'
import type { IMetricReader } from '@opentelemetry/sdk-metrics'

export type Telemetry = { tracer: Tracer; close(): Promise<void> }

type Identity = { service: string; version: string; node: string }

/** Whether the standard variables name somewhere to send things to. */
const isExporting = (environment: NodeJS.ProcessEnv): boolean =>
  Object.keys(environment).some((name) => /^OTEL_EXPORTER_OTLP(_TRACES|_METRICS)?_ENDPOINT$/.test(name))

/**
 * Starts OpenTelemetry as the standard OTEL_* variables say. Without an endpoint nothing is sent, but spans are
 * made all the same, so that every result carries a trace id that means something once an endpoint is set.
 * @param metricReaders makes what sends metrics; asked only when there is an endpoint
 */
export const startTelemetry = (
  environment: NodeJS.ProcessEnv,
  identity: Identity,
  metricReaders: () => Promise<IMetricReader[]> = async () => [],
): Promise<Telemetry> =>
  isExporting(environment) ? startSdk(environment, identity, metricReaders) : startIds(identity)

// The SDK is loaded only where it is used: it costs a third of an agent's memory and of its start.

const startIds = async ({ service, version }: Identity): Promise<Telemetry> => {
  const { TracerProvider } = await import('@opentelemetry/sdk-trace')
  const provider = new TracerProvider({ spanProcessors: [] })
  return { tracer: provider.getTracer(service, version), close: () => provider.shutdown() }
}

const startSdk = async (
  environment: NodeJS.ProcessEnv,
  { service, version, node }: Identity,
  metricReaders: () => Promise<IMetricReader[]>,
): Promise<Telemetry> => {
  const [{ NodeSDK }, { envDetector, resourceFromAttributes }, semantic] = await Promise.all([
    import('@opentelemetry/sdk-node'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/semantic-conventions'),
  ])
  const sdk = new NodeSDK({
    resource: resourceFromAttributes({
      [semantic.ATTR_SERVICE_NAME]: environment.OTEL_SERVICE_NAME ?? service,
      [semantic.ATTR_SERVICE_VERSION]: version,
      'host.name': node,
    }),
    // The SDK's own host detector would put the machine's name in the place of the node's.
    resourceDetectors: [envDetector],
    instrumentations: [],
    metricReaders: await metricReaders(),
    logRecordProcessors: [],
  })
  sdk.start()
  return { tracer: trace.getTracer(service, version), close: () => sdk.shutdown() }
}

/** The meter that the OTLP sink of the metrics catalogue writes to. */
export const meter = (service: string, version: string) => metrics.getMeter(service, version)
