import { metrics as api } from '@opentelemetry/api'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { CATALOGUE } from '../../collector/telemetry/catalogue/catalogue.ts'
import { createMetrics, type Metrics } from '../../collector/telemetry/catalogue/metrics.ts'
import { listenHttp } from '../../collector/telemetry/expose/http-server.ts'
import { createObserver, type Observer } from '../../collector/telemetry/observe/observer.ts'
import { TRACE_ID } from '../../collector/telemetry/testing/samples.ts'
import type { HttpServer } from '../../lib/http-listener.ts'
import { nodes, observeAllMetrics } from '../testing/observe-all-metrics.ts'
import { lintMetrics, type Prometheus, startPrometheus } from '../testing/prometheus-server.ts'

let metrics: Metrics
let observer: Observer
let server: HttpServer
let prometheus: Prometheus

beforeAll(async () => {
  metrics = createMetrics({ meter: api.getMeter('test') }, { version: '1.2.3' })
  observer = createObserver({ metrics })
  observeAllMetrics(metrics, observer)
  server = await listenHttp({ registry: metrics.registry, health: () => [], address: '127.0.0.1:0' })
  prometheus = await startPrometheus({ targets: [`127.0.0.1:${server.port}`] })
})

afterAll(async () => {
  await prometheus?.close()
  await server?.close()
  metrics?.close()
})

test('/metrics has every metric of the catalogue, and promtool only criticises bits per second', async () => {
  const text = await metrics.registry.metrics()
  const absent = Object.values(CATALOGUE).filter(({ name }) => !new RegExp(`^${name}[{_ ]`, 'm').test(text))
  expect(absent).toEqual([])
  const remarks = (await lintMetrics(text)).split('\n').filter((line) => line !== '')
  // Link rates are in bits per second everywhere, but promtool prefers bytes.
  expect(
    remarks.filter((line) => !/_bits_per_second use base unit "bytes" instead of "bits"$/.test(line)),
  ).toEqual([])
})

test('promtool reports problems of other metrics', async () => {
  expect(await lintMetrics('# TYPE bad_total gauge\nbad_total 1\n')).toMatch(/bad_total/)
})

test('Prometheus scrapes /metrics', async () => {
  await prometheus.waitFor('up == 1')
  await prometheus.waitFor('scrape_samples_scraped > 100')
})

test.each([
  ['meshgauge_run_duration_seconds_bucket{test="ping"}', 10],
  ['meshgauge_runs_total{test="iperf"}', 1],
  ['meshgauge_pairs_total{test="ping",outcome="measured"}', 1],
  ['meshgauge_dispatch_lag_seconds_bucket', 0.01],
])('%s leads to the trace of its run', async (series, value) => {
  await expect
    .poll(() => prometheus.exemplars(series))
    .toContainEqual({ series: expect.objectContaining({ job: 'meshgauge' }), traceId: TRACE_ID, value })
})

test.each<[string, number]>([
  ['meshgauge_runs_total{test="iperf",topology="mesh",state="completed"}', 1],
  ['sum(meshgauge_pairs_total{test="iperf"})', 5],
  ['meshgauge_pairs_total{outcome="refused"}', 1],
  ['meshgauge_run_efficiency_ratio{test="iperf"}', 0.9],
  ['meshgauge_run_duration_seconds_sum / meshgauge_run_duration_seconds_count', 10],
  ['meshgauge_node_throughput_bits_per_second{node="node-1",direction="tx",stat="median"}', 9.3e9],
  ['topk(1, -meshgauge_node_throughput_bits_per_second{direction="tx",stat="median"})', -5e7],
  ['meshgauge_worst_pair_throughput_bits_per_second{rank="1",source="node-3"}', 5e7],
  ['meshgauge_node_ping_loss_ratio{node="node-2",direction="rx"}', 0.1],
  ['meshgauge_node_rtt_seconds{node="node-2",stat="p50"}', 0.0002],
  ['sum(meshgauge_node_failed_pairs)', 2],
  ['meshgauge_pair_loss_ratio{source="node-1",destination="node-2"}', 0.1],
  ['meshgauge_verdicts{kind="interface",node="node-3",interface="net0",direction="tx"}', 0.98],
  ['meshgauge_check_status{node="node-1",check="interfaces"}', 1],
  ['meshgauge_check_severity{node="node-1",check="interfaces"}', 1],
  ['meshgauge_check_overlaps_total{node="node-1",check="interfaces"}', 1],
  ['meshgauge_nodes{state="ready"}', 3],
  ['sum(meshgauge_node_up)', 3],
  ['meshgauge_build_info{version="1.2.3"}', 1],
])('%s is %d', async (expression, value) => {
  const samples = await prometheus.waitFor(expression)
  for (const sample of samples) expect(sample.value).toBeCloseTo(value, 9)
})

test('changed values and removed nodes appear in the next scrape', async () => {
  await prometheus.waitFor('meshgauge_node_up{node="node-3"}')
  observer.observeNodes(nodes('node-1', 'node-2'))
  await prometheus.waitFor('meshgauge_nodes{state="ready"} == 2')
  expect(await prometheus.query('{__name__=~"meshgauge_.*",node="node-3"}')).toEqual([])
  expect(await prometheus.query('{__name__=~"meshgauge_.*",source="node-3"}')).toEqual([])
  // After a late scrape on a busy machine, Prometheus has no series for a moment.
  expect(await prometheus.waitFor('meshgauge_node_up{node="node-2"}')).toHaveLength(1)
})

test('an invalid query rejects with its error, and one without results names the targets', async () => {
  await expect(prometheus.query('sum(')).rejects.toThrow('sum(: ')
  await expect(prometheus.waitFor('nothing_of_this_name', { timeoutSeconds: 0.4 })).rejects.toThrow(
    /nothing_of_this_name has no result after 0\.4 s; http:\/\/127\.0\.0\.1:\d+\/metrics is up/,
  )
})

test('a missing program rejects with the command that installs it', async () => {
  vi.stubEnv('PATH', '/nowhere')
  try {
    const line = 'is not installed; as root: apt-get install --yes --no-install-recommends prometheus'
    await expect(startPrometheus({ targets: [] })).rejects.toThrow(`prometheus ${line}`)
    await expect(lintMetrics('')).rejects.toThrow(`promtool ${line}`)
  } finally {
    vi.unstubAllEnvs()
  }
})
