import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeLab } from '../testing/lab.ts'
import { type OtlpReceiver, type SpanTree, startOtlpReceiver } from '../testing/otlp-receiver.ts'
import { lintMetrics, startPrometheus } from '../testing/prometheus-server.ts'
import { IPERF_MESH, pingMesh, startTestFleet, type TestFleet } from '../testing/test-fleet.ts'

let fleet: TestFleet
let receiver: OtlpReceiver

const find = (roots: readonly SpanTree[], good: (span: SpanTree) => boolean): SpanTree[] =>
  roots.flatMap((span) => [...(good(span) ? [span] : []), ...find(span.children, good)])

describeLab('traces and metrics of a run', () => {
  beforeAll(async () => {
    fleet = await startTestFleet({
      nodes: 4,
      environment: async (gateway) => {
        receiver = await startOtlpReceiver(gateway)
        return {
          OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
          OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
          OTEL_BSP_SCHEDULE_DELAY: '200',
          OTEL_METRIC_EXPORT_INTERVAL: '500',
        }
      },
    })
  })
  afterAll(async () => {
    fleet.client.close()
    await fleet.close()
    await receiver.close()
  })

  test('one trace contains the run, both agents of a pair and their programs', async () => {
    const document = await fleet.json(...IPERF_MESH, '--interface', 'net0')
    const traceIds = new Set(document.pairs.map(({ traceId }) => traceId))
    expect(traceIds.size).toBe(1)
    const programs = (roots: readonly SpanTree[]) => find(roots, ({ name }) => name === 'process iperf3')
    const complete = (roots: readonly SpanTree[]) => programs(roots).length === 24 && roots.length === 1
    const [run] = await receiver.waitForTrace([...traceIds][0]!, complete, AbortSignal.timeout(60_000))

    expect(run!.name).toBe('run iperf')
    expect(run!.resource['service.name']).toBe('meshgauge-collector')
    const rounds = run!.children
    expect(rounds.map(({ name }) => name).sort()).toEqual(['round 1', 'round 2', 'round 3'])
    for (const round of rounds) expect(round.children).toHaveLength(4)

    const pair = rounds
      .flatMap(({ children }) => children)
      .find(({ name }) => name === 'node-2 → node-4 net0')!
    const path = (rpc: string, host: string) => {
      const call = find([pair], (span) => span.name.endsWith(rpc) && span.kind === 'CLIENT')
      const served = find(call, (span) => span.name.endsWith(rpc) && span.kind === 'SERVER')
      expect([call.length, served.length]).toEqual([1, 1])
      expect(served[0]!.resource).toMatchObject({ 'service.name': 'meshgauge-agent', 'host.name': host })
      const [program] = programs(served)
      expect(program!.attributes).toMatchObject({ 'process.pid': expect.any(Number), 'process.exit.code': 0 })
      return program!.attributes['process.command_args'] as string[]
    }
    expect(path('IperfService/Serve', 'node-4')).toContain('-s')
    expect(path('IperfService/Run', 'node-2')).toContain('-c')
  })

  test('metrics are also exported over OTLP', async () => {
    const metric = await receiver.waitForMetric(
      ({ name }) => name === 'meshgauge_pairs_total',
      AbortSignal.timeout(60_000),
    )
    expect(metric.kind).toBe('sum')
  })

  test('Prometheus scrapes the collector and answers queries', async () => {
    const document = await fleet.json(...pingMesh(5, '100ms'))
    expect(document.exitCode).toBe(0)
    const text = await (await fetch(`http://${fleet.http}/metrics`)).text()
    // meshgauge uses bits per second, as network operators do. promtool prefers bytes.
    const remarks = (await lintMetrics(text))
      .split('\n')
      .filter((line) => line && !/_bits_per_second use base unit/.test(line))
    expect(remarks).toEqual([])
    const prometheus = await startPrometheus({ targets: [fleet.http] })
    try {
      await prometheus.waitFor('meshgauge_pairs_total{test="ping", outcome="measured"} == 24')
      // After a late scrape on a busy machine, Prometheus has no series for a moment.
      for (const expression of [
        'meshgauge_pairs_total{test="iperf", outcome="measured"} == 12',
        'count(meshgauge_node_up == 1) == 4',
        'count(meshgauge_node_throughput_bits_per_second{direction="tx", stat="median"} > 4e7) == 4',
        'max(meshgauge_node_ping_loss_ratio) == 0',
        'meshgauge_runs_total{test="iperf", topology="mesh", state="completed"} == 1',
      ])
        await prometheus.waitFor(expression)
      const { traceId } = document.pairs[0]!
      await expect
        .poll(() => prometheus.exemplars('meshgauge_run_duration_seconds_bucket{test="ping"}'))
        .toEqual([expect.objectContaining({ traceId })])
      const isWhole = ([root, ...more]: readonly SpanTree[]) => root?.name === 'run ping' && more.length === 0
      await receiver.waitForTrace(traceId!, isWhole, AbortSignal.timeout(60_000))
    } finally {
      await prometheus.close()
    }
  })

  test('nothing that nobody requested creates spans, such as polls and the streams of the ping mesh', async () => {
    const lastSeen = async () => {
      const { nodes } = await fleet.client.call<{ nodes: { lastSeenTime: object }[] }>(
        'meshgauge.collector.v1.FleetService',
        'ListNodes',
        {},
      )
      return nodes.map(({ lastSeenTime }) => JSON.stringify(lastSeenTime))
    }
    const before = await lastSeen()
    await expect
      .poll(async () => (await lastSeen()).every((time, index) => time !== before[index]))
      .toBe(true)
    const known = new Set(receiver.spans().map(({ spanId }) => spanId))
    const roots = receiver.spans().filter(({ parentSpanId }) => !parentSpanId || !known.has(parentSpanId))
    const isRequested = ({ name }: { name: string }) => /^(run |meshgauge\.collector\.v1\.)/.test(name)
    expect([...new Set(roots.filter((span) => !isRequested(span)).map(({ name }) => name))]).toEqual([])
    expect(roots.length).toBeGreaterThan(0)
  })

  test('/healthz returns ok', async () => {
    const response = await fetch(`http://${fleet.http}/healthz`)
    expect([response.status, await response.text()]).toEqual([200, 'ok\n'])
  })
})
