import { metrics, type Tracer, trace } from '@opentelemetry/api'
import { envDetector, resourceFromAttributes } from '@opentelemetry/resources'
import type { IMetricReader } from '@opentelemetry/sdk-metrics'
import { NodeSDK } from '@opentelemetry/sdk-node'
import { NoopSpanProcessor } from '@opentelemetry/sdk-trace'
import { ATTR_SERVICE_NAME, ATTR_SERVICE_VERSION } from '@opentelemetry/semantic-conventions'

export type Telemetry = { tracer: Tracer; close(): Promise<void> }

/** Whether the standard variables name somewhere to send things to. */
export const isExporting = (environment: NodeJS.ProcessEnv): boolean =>
  Object.keys(environment).some((name) => /^OTEL_EXPORTER_OTLP(_TRACES|_METRICS)?_ENDPOINT$/.test(name))

/**
 * Starts OpenTelemetry as the standard OTEL_* variables say. Without an endpoint nothing is sent, but spans are
 * made all the same, so that every result carries a trace id that means something once an endpoint is set.
 * @param metricReaders what sends metrics when there is an endpoint
 */
export const startTelemetry = (
  environment: NodeJS.ProcessEnv,
  identity: { service: string; version: string; node: string },
  metricReaders: () => IMetricReader[] = () => [],
): Telemetry => {
  const exporting = isExporting(environment)
  const sdk = new NodeSDK({
    resource: resourceFromAttributes({
      [ATTR_SERVICE_NAME]: environment.OTEL_SERVICE_NAME ?? identity.service,
      [ATTR_SERVICE_VERSION]: identity.version,
      'host.name': identity.node,
    }),
    // The SDK's own host detector would put the machine's name in the place of the node's.
    resourceDetectors: [envDetector],
    instrumentations: [],
    metricReaders: exporting ? metricReaders() : [],
    logRecordProcessors: [],
    ...(exporting ? {} : { spanProcessors: [new NoopSpanProcessor()] }),
  })
  sdk.start()
  return { tracer: trace.getTracer(identity.service, identity.version), close: () => sdk.shutdown() }
}

/** The meter that the OTLP sink of the metrics catalogue writes to. */
export const meter = (service: string, version: string) => metrics.getMeter(service, version)
