import { join } from 'node:path'
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-grpc'
import { MeterProvider } from '@opentelemetry/sdk-metrics'
import { execa } from 'execa'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CATALOGUE } from '../../collector/telemetry/catalogue/catalogue.ts'
import { createMetrics } from '../../collector/telemetry/catalogue/metrics.ts'
import { renderMetrics } from '../../collector/telemetry/expose/exposition.ts'
import { createMetricReader } from '../../collector/telemetry/expose/otlp-reader.ts'
import { createObserver } from '../../collector/telemetry/observe/observer.ts'
import { observeAllMetrics } from '../testing/observe-all-metrics.ts'
import { type OtlpReceiver, printTree, startOtlpReceiver } from '../testing/otlp-receiver.ts'
import { readSamples } from './prometheus-text.ts'

let receiver: OtlpReceiver
beforeEach(async () => {
  receiver = await startOtlpReceiver()
})
afterEach(() => receiver.close())

const soon = () => AbortSignal.timeout(60_000)

const emit = async (environment: Record<string, string>): Promise<string> => {
  const { stdout } = await execa(process.execPath, [join(import.meta.dirname, 'fixtures/emitter.ts')], {
    env: environment,
    timeout: 60_000,
  })
  return stdout
}

describe('a process with an OTLP endpoint', () => {
  test('sends its complete trace with its resource attributes', async () => {
    const traceId = await emit({
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
    })
    const roots = await receiver.waitForTrace(traceId, (_, spans) => spans.length === 3, soon())
    expect(printTree(roots)).toBe(
      ['run [INTERNAL] test-node', '  round [INTERNAL] test-node', '    pair [INTERNAL] test-node'].join(
        '\n',
      ),
    )
    const [run] = roots
    const pair = run!.children[0]!.children[0]!
    expect(run!.parentSpanId).toBeUndefined()
    expect(run!.resource).toMatchObject({
      'service.name': 'meshgauge-collector',
      'service.version': '1.2.3',
      'host.name': 'test-node',
    })
    expect(pair).toMatchObject({
      attributes: { 'meshgauge.depth': 0 },
      status: { code: 'ERROR', message: 'refused' },
      scope: 'meshgauge-collector',
    })
    // Each span starts its own high-resolution clock from the wall clock, which has milliseconds.
    expect(run!.endSeconds).toBeGreaterThan(pair.endSeconds - 0.005)
    expect(Math.abs(run!.endSeconds - Date.now() / 1000)).toBeLessThan(60)
  })

  test('sends gauges, sums and histograms of the catalogue', async () => {
    await emit({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' })
    const named = (wanted: string) => receiver.waitForMetric(({ name }) => name === wanted, soon())
    expect(await named('meshgauge_runs_total')).toMatchObject({
      kind: 'sum',
      monotonic: true,
      points: [{ attributes: { test: 'ping', topology: 'mesh', state: 'completed' }, value: 2 }],
      resource: { 'service.name': 'meshgauge-collector', 'host.name': 'test-node' },
    })
    const { help, unit } = CATALOGUE.nodeThroughput
    expect(await named('meshgauge_node_throughput_bits_per_second')).toMatchObject({
      kind: 'gauge',
      description: help,
      unit,
      points: [{ attributes: { node: 'a', interface: 'net0', direction: 'tx', stat: 'min' }, value: 9.5e9 }],
    })
    const written = await named('meshgauge_store_write_seconds')
    expect(written).toMatchObject({ kind: 'histogram', points: [{ value: 1, histogram: { sum: 0.003 } }] })
    const { bounds, counts } = written.points[0]!.histogram!
    expect(bounds).toEqual(CATALOGUE.storeWrite.buckets)
    expect(counts[bounds.indexOf(0.005)]).toBe(1)
  })
})

describe('the export protocol', () => {
  /** The protocols of the received signals: `grpc` or `http`. */
  const receivedProtocols = () => ({
    traces: [
      ...new Set(
        receiver.exports().flatMap(({ over, path }) => (/trace|elsewhere/i.test(path) ? [over] : [])),
      ),
    ],
    metrics: [
      ...new Set(receiver.exports().flatMap(({ over, path }) => (/metric/i.test(path) ? [over] : []))),
    ],
  })
  const http = () => receiver.httpEndpoint
  const grpc = () => receiver.endpoint

  test.each<[string, () => Record<string, string>, traces: string, metrics: string]>([
    [
      'grpc when it is configured',
      () => ({ OTEL_EXPORTER_OTLP_ENDPOINT: grpc(), OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }),
      'grpc',
      'grpc',
    ],
    ['http/protobuf by default', () => ({ OTEL_EXPORTER_OTLP_ENDPOINT: http() }), 'http', 'http'],
    [
      'http/protobuf for an endpoint that ends with a slash',
      () => ({ OTEL_EXPORTER_OTLP_ENDPOINT: `${http()}/`, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf' }),
      'http',
      'http',
    ],
    [
      'different for traces and metrics when configured for each',
      () => ({
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${http()}/elsewhere`,
        OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/protobuf',
        OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: grpc(),
        OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: 'grpc',
      }),
      'http',
      'grpc',
    ],
    [
      'that of the signal, which overrides the common setting',
      () => ({
        OTEL_EXPORTER_OTLP_ENDPOINT: grpc(),
        OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
        OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${http()}/v1/metrics`,
        OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: 'http/protobuf',
      }),
      'grpc',
      'http',
    ],
    [
      'used only for traces when only they have an endpoint',
      () => ({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${http()}/v1/traces` }),
      'http',
      '',
    ],
    [
      'used only for metrics when only they have an endpoint',
      () => ({ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${http()}/v1/metrics` }),
      '',
      'http',
    ],
    [
      'not used for traces when OTEL_TRACES_EXPORTER is none',
      () => ({ OTEL_EXPORTER_OTLP_ENDPOINT: http(), OTEL_TRACES_EXPORTER: 'none' }),
      '',
      'http',
    ],
    [
      'not used for metrics when OTEL_METRICS_EXPORTER is none',
      () => ({ OTEL_EXPORTER_OTLP_ENDPOINT: http(), OTEL_METRICS_EXPORTER: 'none' }),
      'http',
      '',
    ],
    [
      'not used for metrics when OTEL_METRICS_EXPORTER is prometheus',
      () => ({ OTEL_EXPORTER_OTLP_ENDPOINT: http(), OTEL_METRICS_EXPORTER: 'prometheus' }),
      'http',
      '',
    ],
    [
      'not used at all when OTEL_SDK_DISABLED is true',
      () => ({ OTEL_EXPORTER_OTLP_ENDPOINT: http(), OTEL_SDK_DISABLED: 'true' }),
      '',
      '',
    ],
    [
      'not used for traces when the sampler is always_off',
      () => ({ OTEL_EXPORTER_OTLP_ENDPOINT: http(), OTEL_TRACES_SAMPLER: 'always_off' }),
      '',
      'http',
    ],
  ])('is %s', async (_, environment, traces, metrics) => {
    expect(await emit(environment())).toMatch(/^(?!0+$)[0-9a-f]{32}$/)
    expect(receivedProtocols()).toEqual({ traces: traces ? [traces] : [], metrics: metrics ? [metrics] : [] })
    if (traces)
      expect(
        receiver
          .spans()
          .map(({ name }) => name)
          .sort(),
      ).toEqual(['pair', 'round', 'run'])
    if (metrics) expect(receiver.metrics().map(({ name }) => name)).toContain('meshgauge_runs_total')
  })

  test.each(['grpc', 'http'] as const)(
    '%s exports use the configured headers, compression and resource',
    async (over) => {
      await emit({
        OTEL_EXPORTER_OTLP_ENDPOINT: over === 'grpc' ? grpc() : http(),
        OTEL_EXPORTER_OTLP_PROTOCOL: over === 'grpc' ? 'grpc' : 'http/protobuf',
        OTEL_EXPORTER_OTLP_HEADERS: 'x-scope-orgid=team%20a,authorization=Basic abc',
        OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
        OTEL_EXPORTER_OTLP_TIMEOUT: '5000',
        OTEL_SERVICE_NAME: 'our-meshgauge',
        OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=lab,service.name=not-this',
      })
      expect(receiver.exports().length).toBeGreaterThanOrEqual(2)
      for (const { headers } of receiver.exports()) {
        expect(headers).toMatchObject({ 'x-scope-orgid': 'team a', authorization: 'Basic abc' })
        if (over === 'http') expect(headers['content-encoding']).toBe('gzip')
      }
      for (const { resource } of [...receiver.spans(), ...receiver.metrics()])
        expect(resource).toMatchObject({
          'service.name': 'our-meshgauge',
          'deployment.environment.name': 'lab',
          'host.name': 'test-node',
        })
    },
  )

  test('an unreachable backend delays nothing and causes no failure', async () => {
    const unreachable = {
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
      OTEL_EXPORTER_OTLP_TIMEOUT: '60000',
    }
    expect(await emit(unreachable)).toMatch(/^[0-9a-f]{32}$/)
    expect(await emit({ ...unreachable, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' })).toMatch(/^[0-9a-f]{32}$/)
  })
})

test('every metric has the same name and value over OTLP as on /metrics', async () => {
  const exporter = new OTLPMetricExporter({ url: receiver.endpoint })
  const provider = new MeterProvider({ readers: [createMetricReader(exporter, {})] })
  const metrics = createMetrics({ meter: provider.getMeter('test') }, { version: '1.2.3' })
  observeAllMetrics(metrics, createObserver({ metrics }))
  await provider.forceFlush()
  const scraped = readSamples(String(await renderMetrics(metrics.registry, 'text')))
  const sent = receiver.metrics().flatMap(({ name, points }) =>
    points.flatMap(({ attributes, value, histogram }) =>
      histogram
        ? [
            { name: `${name}_count`, attributes, value },
            { name: `${name}_sum`, attributes, value: histogram.sum },
          ]
        : [{ name, attributes, value }],
    ),
  )
  const keyOf = (name: string, labels: Record<string, unknown>) =>
    `${name} ${JSON.stringify(Object.entries(labels).sort())}`
  // Metrics of the process itself change between the two reads.
  const steady = (key: string) => !/^(process_|nodejs_|meshgauge_event_loop_delay)/.test(key)
  const bySink = (samples: readonly { name: string; attributes: Record<string, unknown>; value: number }[]) =>
    Object.fromEntries(
      samples
        .filter(({ name }) => !name.endsWith('_bucket'))
        .map(({ name, attributes, value }) => [keyOf(name, attributes), value] as const)
        .filter(([key]) => steady(key))
        .sort(),
    )
  expect(bySink(sent)).toEqual(bySink(scraped))
  expect(Object.keys(bySink(sent)).length).toBeGreaterThan(100)
  const process = (samples: readonly { name: string }[]) =>
    [
      ...new Set(samples.map(({ name }) => name).filter((name) => /^(process|nodejs)_(?!gc_)/.test(name))),
    ].sort()
  expect(process(sent)).toEqual(process(scraped))
  await provider.shutdown()
  metrics.close()
})

test('a removed node is in no later export', async () => {
  const exporter = new OTLPMetricExporter({ url: receiver.endpoint })
  const provider = new MeterProvider({ readers: [createMetricReader(exporter, {})] })
  const metrics = createMetrics({ meter: provider.getMeter('test') }, { version: '1.2.3' })
  const exported = async () => {
    await provider.forceFlush()
    const { points } = await receiver.waitForMetric(({ name }) => name === 'meshgauge_node_up', soon())
    return points.map(({ attributes }) => attributes.node)
  }
  metrics.nodeUp.set({ node: 'a' }, 1)
  metrics.nodeUp.set({ node: 'b' }, 1)
  expect(await exported()).toEqual(['a', 'b'])
  metrics.nodeUp.remove({ node: 'a' })
  expect(await exported()).toEqual(['b'])
  await provider.shutdown()
  metrics.close()
})

test('a process without an endpoint sends nothing and still has a trace id', async () => {
  expect(await emit({})).toMatch(/^[0-9a-f]{32}$/)
  expect(receiver.spans()).toEqual([])
})

test('a wait that is aborted rejects with what was received', async () => {
  const traceId = 'f'.repeat(32)
  await expect(receiver.waitForTrace(traceId, () => false, AbortSignal.timeout(50))).rejects.toThrow(
    `trace ${traceId} does not satisfy the predicate; received:`,
  )
  await expect(receiver.waitForMetric(() => false, AbortSignal.timeout(50))).rejects.toThrow(
    'no metric satisfies the predicate; received: ',
  )
})
