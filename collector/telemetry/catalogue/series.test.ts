import { metrics as api } from '@opentelemetry/api'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CheckResult, CheckStatus } from '#proto/meshgauge/agent/v1/check.ts'
import { createVerdict } from '../../diagnosis/verdict.ts'
import { createNode } from '../../inventory/node.ts'
import { createObserver } from '../observe/observer.ts'
import { endedRun, iperfPair, pingPair } from '../testing/samples.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { SERIES_PER_COLLECTOR, SERIES_PER_NODE } from './series.ts'

let metrics: Metrics
beforeEach(() => {
  metrics = createMetrics({ meter: api.getMeter('test') }, { version: '1.2.3' })
})
afterEach(() => metrics.close())

const lines = async () =>
  (await metrics.registry.metrics()).split('\n').filter((line) => /^(meshgauge|autopilot)_/.test(line))
const valueIn = async (series: string) =>
  Number((await lines()).find((line) => line.startsWith(`${series} `))?.split(' ')[1])

describe('the series budget', () => {
  test('counts every series of the catalogue, buckets included', async () => {
    metrics.retainNodes(new Set(['a', 'b']))
    metrics.nodeUp.set({ node: 'a' }, 1)
    metrics.nodeUp.set({ node: 'a' }, 0)
    metrics.runs.add({ test: 'ping', topology: 'ring', state: 'completed' })
    metrics.runDuration.observe({ test: 'ping' }, 1)
    metrics.dispatchLag.observe({}, 1)
    await lines()
    expect(await valueIn('meshgauge_series')).toBe((await lines()).length)
    metrics.nodeUp.remove({ node: 'a' })
    metrics.retainNodes(new Set(['b']))
    expect(await valueIn('meshgauge_series')).toBe((await lines()).length)
  })

  test('refuses series beyond it, counts the refusals, and still updates existing series', async () => {
    metrics.retainNodes(new Set(['a']))
    const most = SERIES_PER_COLLECTOR + SERIES_PER_NODE
    for (let n = 0; n < most + 100; n++) metrics.coveragePairs.set({ schedule: `s${n}` }, 1)
    metrics.coveragePairs.set({ schedule: 's0' }, 0)
    expect(await valueIn('meshgauge_coverage_pairs{schedule="s0"}')).toBe(0)
    const there = (await lines()).filter((line) => line.startsWith('meshgauge_coverage_pairs{'))
    expect(there.length).toBeLessThan(most)
    const dropped = await valueIn('meshgauge_series_dropped_total{metric="meshgauge_coverage_pairs"}')
    expect(dropped).toBeGreaterThanOrEqual(100)
    expect(dropped).toBeLessThan(200)
    metrics.runs.add({ test: 'ping', topology: 'ring', state: 'completed' })
    metrics.runDuration.observe({ test: 'ping' }, 1)
    expect((await lines()).filter((line) => /^meshgauge_run(s_total|_duration\w*)\{/.test(line))).toEqual([])
  })

  test('grows with the fleet', async () => {
    metrics.retainNodes(new Set(Array.from({ length: 1000 }, (_, n) => `node-${n}`)))
    for (let n = 0; n < 100_000; n++) metrics.coveragePairs.set({ schedule: `s${n}` }, 1)
    const there = (await lines()).filter((line) => line.startsWith('meshgauge_coverage_pairs{'))
    expect(there).toHaveLength(100_000)
  })
})

test('a run that ends after a node has left does not create series of the node', async () => {
  const observer = createObserver({ metrics })
  const nodes = ['a', 'b'].map((name) => createNode({ name, state: 'ready' }))
  observer.observeNodes(nodes)
  const results = [iperfPair('a', 'b', 1e9), iperfPair('gone', 'a', 1e9), iperfPair('b', 'gone', 1e9)]
  const verdict = createVerdict({ kind: 'node', node: 'gone', confidence: 1 })
  observer.observeResults(endedRun('iperf'), results)
  observer.observeRun(endedRun('iperf', { verdicts: [verdict] }), results)
  observer.observeOverlap('gone', 'mtu')
  expect((await lines()).filter((line) => line.includes('"gone"'))).toEqual([])
  expect(
    await valueIn('meshgauge_pair_throughput_bits_per_second{source="a",destination="b",interface="net0"}'),
  ).toBe(1e9)
  expect(await valueIn('meshgauge_series')).toBe((await lines()).length)
})

test('after nodes have joined and left there are as many series as before', async () => {
  const observer = createObserver({ metrics })
  const nodes = (count: number) =>
    Array.from({ length: count }, (_, n) => createNode({ name: `n${n}`, state: 'ready' }))
  const measure = (count: number) => {
    observer.observeNodes(nodes(count))
    const pairs = nodes(count).flatMap(({ name }, from) =>
      nodes(count).flatMap((to, index) => (index === from ? [] : [[name, to.name] as const])),
    )
    const verdicts = nodes(count).map(({ name }, index) =>
      createVerdict({
        kind: 'link',
        node: name,
        peer: `n${(index + 1) % count}`,
        confidence: 1,
      }),
    )
    for (const [test, results] of [
      ['iperf', pairs.map(([a, b]) => iperfPair(a, b, 1e9))],
      ['ping', pairs.map(([a, b]) => pingPair(a, b, 2, [0.001]))],
    ] as const) {
      observer.observeResults(endedRun(test), results)
      observer.observeRun(endedRun(test, { verdicts }), results)
    }
    for (const { name } of nodes(count)) {
      const check = CheckResult.fromPartial({ check: 'mtu', status: CheckStatus.CHECK_STATUS_PASS })
      observer.observeCheck(name, check)
      observer.observeOverlap(name, 'mtu')
      metrics.autopilotHealthChecks.set(
        { health: 'dcgm', node: name, cpumodel: '', gpumodel: '', deviceid: '' },
        0,
      )
    }
  }
  const names = async () => (await lines()).map((line) => line.replace(/ \S+$/, '')).sort()
  measure(4)
  const before = await names()
  measure(12)
  const most = await names()
  expect(most.length).toBeGreaterThan(before.length * 2)
  // The new list of nodes alone removes the series.
  observer.observeNodes(nodes(4))
  expect((await names()).filter((series) => /"n([4-9]|1\d)"/.test(series))).toEqual([])
  measure(4)
  expect(await names()).toEqual(before)
})
