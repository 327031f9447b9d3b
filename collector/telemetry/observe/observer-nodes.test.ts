import { metrics as api } from '@opentelemetry/api'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CheckResult, CheckStatus } from '#proto/meshgauge/agent/v1/check.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { createVerdict } from '../../diagnosis/verdict.ts'
import { createNode, type FleetNode, type NodeState } from '../../inventory/node.ts'
import { createMetrics, type Metrics } from '../catalogue/metrics.ts'
import { endedRun, failedPair, iperfPair, pingPair } from '../testing/samples.ts'
import { createObserver, type Observer } from './observer.ts'

let metrics: Metrics
let observer: Observer
beforeEach(() => {
  metrics = createMetrics({ meter: api.getMeter('test') }, { version: '1.2.3' })
  observer = createObserver({ metrics }, { pairBudget: 6 })
})
afterEach(() => metrics.close())

/** Returns the samples of a metric as on /metrics, without the name of the metric. */
const samples = async (name: string): Promise<string[]> => {
  const lines = (await metrics.registry.metrics()).split('\n')
  return lines.filter((line) => line.startsWith(name)).map((line) => line.slice(name.length).trim())
}

const MESH = [
  iperfPair('a', 'b', 900),
  iperfPair('a', 'c', 800),
  iperfPair('a', 'd', 100),
  iperfPair('b', 'a', 950),
  failedPair('c', 'a', Outcome.OUTCOME_REFUSED),
  failedPair('d', 'a', Outcome.OUTCOME_NOT_RUN),
]

describe('nodes and checks', () => {
  const node = (name: string, state: NodeState): FleetNode => createNode({ name, state })

  test('have gauges of their state', async () => {
    observer.observeNodes([node('a', 'ready'), node('b', 'silent')])
    observer.observeCheck(
      'a',
      CheckResult.fromPartial({ check: 'mtu', status: CheckStatus.CHECK_STATUS_FAIL }),
    )
    expect(await samples('meshgauge_node_up')).toEqual(['{node="a"} 1', '{node="b"} 0'])
    expect(await samples('meshgauge_nodes{')).toEqual([
      'state="ready"} 1',
      'state="silent"} 1',
      'state="unspecified"} 0',
    ])
    expect(await samples('meshgauge_check_status')).toEqual(['{node="a",check="mtu"} 2'])
    const skipped = CheckResult.fromPartial({ check: 'mtu', status: CheckStatus.CHECK_STATUS_SKIPPED })
    observer.observeCheck('a', skipped)
    expect(await samples('meshgauge_check_status')).toEqual([])
  })

  test('of a node that left the inventory have no series', async () => {
    const verdict = createVerdict({ kind: 'node', node: 'a', confidence: 1 })
    observer.observeResults(endedRun('iperf'), MESH)
    observer.observeRun(endedRun('iperf', { verdicts: [verdict] }), MESH)
    observer.observeRun(endedRun('ping'), [pingPair('a', 'b', 2, [0.001]), pingPair('b', 'a', 2, [0.001])])
    observer.observeCheck(
      'a',
      CheckResult.fromPartial({ check: 'mtu', status: CheckStatus.CHECK_STATUS_PASS }),
    )
    observer.observeNodes(['a', 'b', 'c', 'd'].map((name) => node(name, 'ready')))
    expect(await metrics.registry.metrics()).toMatch(/"a"/)
    observer.observeNodes(['b', 'c', 'd'].map((name) => node(name, 'ready')))
    expect(await metrics.registry.metrics()).not.toMatch(/"a"/)
    expect(await samples('meshgauge_node_throughput_bits_per_second{node="b"')).not.toEqual([])
  })
})

test('a run from the store sets gauges and is not counted again', async () => {
  observer.restoreRun(endedRun('iperf'), MESH)
  expect(await samples('meshgauge_node_throughput_bits_per_second')).not.toEqual([])
  expect(await samples('meshgauge_pair_throughput_bits_per_second')).not.toEqual([])
  expect(await samples('meshgauge_runs_total')).toEqual([])
  expect(await samples('meshgauge_pairs_total')).toEqual([])
})

test('a thousand nodes have eight thousand series', async () => {
  const names = Array.from({ length: 1000 }, (_, index) => `node-${index}`)
  const results = names.flatMap((name, index) =>
    [1, 5, 25].map((shift) => iperfPair(name, names[(index + shift) % 1000]!, 1e9)),
  )
  const run = endedRun('iperf', { plan: { ...endedRun('iperf').plan!, pairCount: 999_000 } })
  observer.observeResults(run, results)
  observer.observeRun(run, results)
  observer.observeNodes(names.map((name) => createNode({ name, state: 'ready' })))
  const lines = (await metrics.registry.metrics()).split('\n').filter((line) => line.includes('node-'))
  // Per node: 4 throughputs, failed pairs, time, up and rack; and the ten worst pairs.
  expect(lines).toHaveLength(8 * 1000 + 10)
})
