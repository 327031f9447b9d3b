import { join } from 'node:path'
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-grpc'
import { MeterProvider } from '@opentelemetry/sdk-metrics'
import { execa } from 'execa'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CATALOGUE } from '../../collector/telemetry/catalogue.ts'
import { createMetrics } from '../../collector/telemetry/metrics.ts'
import { createMetricReader } from '../../collector/telemetry/otlp.ts'
import { type OtlpReceiver, printTree, startOtlpReceiver } from './receiver.ts'

let receiver: OtlpReceiver
beforeEach(async () => {
  receiver = await startOtlpReceiver()
})
afterEach(() => receiver.close())

const soon = () => AbortSignal.timeout(15_000)

const emit = async (environment: Record<string, string>): Promise<string> => {
  const { stdout } = await execa(process.execPath, [join(import.meta.dirname, 'fixtures/emitter.ts')], {
    env: environment,
    timeout: 20_000,
  })
  return stdout
}

describe('a process that is told where to send', () => {
  test('sends its trace, whole, with who it is', async () => {
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
    // Each span has a clock of its own, which begins with the wall clock's milliseconds.
    expect(run!.endSeconds).toBeGreaterThan(pair.endSeconds - 0.005)
    expect(Math.abs(run!.endSeconds - Date.now() / 1000)).toBeLessThan(60)
  }, 30_000)

  test('sends the metrics of the catalogue, each kind as what it is', async () => {
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
  }, 30_000)
})

test('a node that departs is in no later export', async () => {
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
}, 30_000)

test('a process that is not told sends nothing and still has a trace id', async () => {
  expect(await emit({})).toMatch(/^[0-9a-f]{32}$/)
  expect(receiver.spans()).toEqual([])
})

test('waiting in vain ends with what had come', async () => {
  const traceId = 'f'.repeat(32)
  await expect(receiver.waitForTrace(traceId, () => false, AbortSignal.timeout(50))).rejects.toThrow(
    `trace ${traceId} did not become what was waited for; received:`,
  )
  await expect(receiver.waitForMetric(() => false, AbortSignal.timeout(50))).rejects.toThrow(
    'no such metric came; received: ',
  )
})
