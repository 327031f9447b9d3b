import { setTimeout as sleep } from 'node:timers/promises'
import {
  AggregationTemporality,
  type DataPoint,
  type Histogram,
  InMemoryMetricExporter,
  MeterProvider,
} from '@opentelemetry/sdk-metrics'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createMetricReader } from '../expose/otlp-reader.ts'
import { CATALOGUE } from './catalogue.ts'
import { createMetrics, type Metrics } from './metrics.ts'

let exporter: InMemoryMetricExporter
let provider: MeterProvider
let metrics: Metrics
beforeEach(() => {
  exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  provider = new MeterProvider({
    readers: [createMetricReader(exporter, { OTEL_METRIC_EXPORT_INTERVAL: '3600000' })],
  })
  metrics = createMetrics({ meter: provider.getMeter('test') }, { version: '1.2.3' })
})
afterEach(async () => {
  metrics.close()
  await provider.shutdown()
})

/** Returns a metric as it is exported over OTLP. */
const exported = async (name: string) => {
  exporter.reset()
  await provider.forceFlush()
  const all = exporter
    .getMetrics()
    .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics))
  return all.find(({ descriptor }) => descriptor.name === name)
}

test('both sinks export the same counters and gauges, and remove the same series', async () => {
  metrics.runs.add({ test: 'ping', topology: 'ring', state: 'completed' }, 3)
  metrics.nodeUp.set({ node: 'a' }, 1)
  metrics.nodeUp.set({ node: 'b' }, 0)
  const text = await metrics.registry.metrics()
  expect(text).toContain('meshgauge_runs_total{test="ping",topology="ring",state="completed"} 3')
  expect((await exported('meshgauge_runs_total'))?.dataPoints).toMatchObject([
    { attributes: { test: 'ping', topology: 'ring', state: 'completed' }, value: 3 },
  ])
  metrics.nodeUp.remove({ node: 'a' })
  expect(await metrics.registry.metrics()).not.toContain('node="a"')
  expect((await exported('meshgauge_node_up'))?.dataPoints).toMatchObject([
    { attributes: { node: 'b' }, value: 0 },
  ])
})

test('a histogram has the same buckets in both sinks', async () => {
  metrics.storeWrite.observe({ operation: 'append_results' }, 0.003)
  metrics.storeWrite.observe({ operation: 'append_results' }, 0.3)
  const text = await metrics.registry.metrics()
  expect(text).toContain('meshgauge_store_write_seconds_bucket{le="0.005",operation="append_results"} 1')
  expect(text).toContain('meshgauge_store_write_seconds_count{operation="append_results"} 2')
  const point = (await exported('meshgauge_store_write_seconds'))!.dataPoints[0]!
  const { boundaries, counts } = (point as DataPoint<Histogram>).value.buckets
  expect(boundaries).toEqual(CATALOGUE.storeWrite.buckets)
  expect(counts[boundaries.indexOf(0.005)]).toBe(1)
  expect(counts.reduce((a, b) => a + b)).toBe(2)
})

test('OTLP exports every series of a large fleet', async () => {
  for (let n = 0; n < 5000; n++) metrics.nodeUp.set({ node: `node-${n}` }, 1)
  expect((await exported('meshgauge_node_up'))?.dataPoints).toHaveLength(5000)
})

test('OTLP exports help text and unit', async () => {
  metrics.nodeThroughput.set({ node: 'a', interface: 'net0', direction: 'tx', stat: 'min' }, 5)
  expect((await exported('meshgauge_node_throughput_bits_per_second'))?.descriptor).toMatchObject({
    description: CATALOGUE.nodeThroughput.help,
    unit: '{bit}/s',
  })
})

test('metrics of the process, the event loop and the version exist from the start', async () => {
  await sleep(50)
  const text = await metrics.registry.metrics()
  expect(text).toContain('meshgauge_build_info{version="1.2.3"} 1')
  expect(text).toMatch(/^process_resident_memory_bytes \d+$/m)
  expect(text).toMatch(/^nodejs_heap_size_used_bytes \d+$/m)
  expect(text).toMatch(/^meshgauge_event_loop_delay_seconds\{stat="p99"\} 0(\.\d+)?$/m)
})

test('a wrong label or metric is a compile error, and refused at run time', () => {
  // @ts-expect-error a label that is not in the catalogue
  expect(() => metrics.nodeUp.set({ node: 'a', rack: 'r1' }, 1)).toThrow(/label "rack"/)
  // @ts-expect-error a label is missing
  metrics.checkStatus.set({ node: 'a' }, 1)
  // @ts-expect-error a metric without labels
  expect(() => metrics.runsActive.set({ node: 'a' }, 1)).toThrow(/label "node"/)
  // @ts-expect-error a gauge does not count
  expect(metrics.nodeUp.add).toBeUndefined()
  // @ts-expect-error no such metric
  expect(metrics.nodesUp).toBeUndefined()
})
