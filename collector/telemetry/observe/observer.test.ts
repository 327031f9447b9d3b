import { metrics as api } from '@opentelemetry/api'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { Summary } from '#proto/meshgauge/collector/v1/result.ts'
import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { toTimestamp } from '../../../lib/protobuf-time.ts'
import { summaryOf } from '../../diagnosis/summary-message.ts'
import { createVerdict } from '../../diagnosis/verdict.ts'
import { createMetrics, type Metrics } from '../catalogue/metrics.ts'
import { END, endedRun, failedPair, iperfPair, pingPair } from '../testing/samples.ts'
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

describe('an iperf run', () => {
  test('is counted, and its duration is recorded', async () => {
    observer.observeRun(endedRun('iperf'), MESH)
    observer.observeRun(endedRun('iperf', { state: RunState.RUN_STATE_CANCELLED }), [])
    expect(await samples('meshgauge_runs_total')).toEqual([
      '{test="iperf",topology="mesh",state="completed"} 1',
      '{test="iperf",topology="mesh",state="cancelled"} 1',
    ])
    expect(await samples('meshgauge_run_duration_seconds_sum')).toEqual(['{test="iperf"} 20'])
  })

  test('its efficiency is that of the last run that measured each pair of the whole fleet once', async () => {
    const whole = MESH.slice(0, 4)
    const shown = () => samples('meshgauge_run_efficiency_ratio')
    observer.observeRun(endedRun('ping'), [pingPair('a', 'b', 10, [0.001])])
    observer.observeRun(endedRun('iperf'), MESH)
    expect(await shown()).toEqual([])
    observer.observeRun(endedRun('iperf'), whole)
    expect(await shown()).toEqual(['{test="iperf",topology="mesh"} 0.9'])
    const slow = { endTime: toTimestamp(new Date(END.getTime() + 60_000)) }
    const run = endedRun('iperf', slow)
    const partial = { ...run, spec: { ...run.spec, topology: { ...run.spec.topology, nodes: ['a', 'b'] } } }
    observer.observeRun(partial, whole)
    observer.observeRun(run, [{ ...whole[0]!, attemptCount: 2 }])
    expect(await shown()).toEqual(['{test="iperf",topology="mesh"} 0.9'])
    observer.observeRun(run, whole)
    expect(await shown()).not.toEqual(['{test="iperf",topology="mesh"} 0.9'])
  })

  test('that could try no pair leaves the values of the last run', async () => {
    const names = [
      'meshgauge_pair_throughput',
      'meshgauge_node_throughput',
      'meshgauge_node_failed',
      'meshgauge_worst',
    ]
    const shown = () => Promise.all(names.map(samples))
    const observe = (results: typeof MESH) => {
      observer.observeResults(endedRun('iperf'), results)
      observer.observeRun(endedRun('iperf'), results)
    }
    observe(MESH)
    const before = await shown()
    expect(before.every((lines) => lines.length > 0)).toBe(true)
    observe(MESH.map((pair) => ({ ...pair, outcome: Outcome.OUTCOME_NOT_RUN, values: undefined })))
    observe(MESH.map((pair) => ({ ...pair, outcome: Outcome.OUTCOME_INVALID, values: undefined })))
    expect(await shown()).toEqual(before)
    observe([failedPair('a', 'b', Outcome.OUTCOME_UNREACHABLE)])
    expect(await samples('meshgauge_pair_throughput')).toHaveLength(3)
  })

  test('sets the throughput of each node over its peers, and none for unmeasured directions', async () => {
    observer.observeRun(endedRun('iperf'), MESH)
    const throughput = await samples('meshgauge_node_throughput_bits_per_second')
    expect(throughput).toContain('{node="a",interface="net0",direction="tx",stat="min"} 100')
    expect(throughput).toContain('{node="a",interface="net0",direction="tx",stat="median"} 800')
    expect(throughput).toContain('{node="a",interface="net0",direction="rx",stat="median"} 950')
    expect(throughput.filter((line) => line.includes('node="c",interface="net0",direction="tx"'))).toEqual([])
    const failed = await samples('meshgauge_node_failed_pairs')
    expect(failed.sort()).toEqual([
      '{node="a",interface="net0",test="iperf"} 1',
      '{node="b",interface="net0",test="iperf"} 0',
      '{node="c",interface="net0",test="iperf"} 1',
      '{node="d",interface="net0",test="iperf"} 0',
    ])
    expect(await samples('meshgauge_node_measured_timestamp_seconds')).toContain(
      `{node="a",test="iperf"} ${END.getTime() / 1000}`,
    )
  })

  test('of a schedule sets the missed pairs of an expectation, until a later run of it meets it', async () => {
    const ofSchedule = (run: ReturnType<typeof endedRun>) => ({
      ...run,
      spec: { ...run.spec, schedule: 'nightly' },
    })
    const byHand = (...met: [string, boolean, number][]) =>
      endedRun('iperf', {
        summary: summaryOf(
          Summary.fromPartial({
            expectations: met.map(([limit, passed, failedCount]) => ({
              expectation: { name: limit },
              passed,
              failedCount,
            })),
          }),
        ),
      })
    const expecting = (...met: [string, boolean, number][]) => ofSchedule(byHand(...met))
    const shown = () => samples('meshgauge_expectation_missed_pairs')
    observer.observeRun(byHand(['throughput_min', false, 3]), MESH)
    expect(await shown()).toEqual([])
    observer.observeRun(
      expecting(['throughput_min', false, 3], ['cv_max', false, 0], ['error_rate_max', true, 0]),
      MESH,
    )
    const line = (limit: string, value: number) =>
      `{schedule="nightly",test="iperf",topology="mesh",expectation="${limit}"} ${value}`
    expect(await shown()).toEqual([line('throughput_min', 3), line('cv_max', 1), line('error_rate_max', 0)])
    observer.observeRun(endedRun('iperf'), MESH)
    observer.observeRun(
      { ...expecting(['throughput_min', true, 0]), state: RunState.RUN_STATE_CANCELLED },
      MESH,
    )
    expect((await shown())[0]).toBe(line('throughput_min', 3))
    observer.observeRun(expecting(['throughput_min', true, 0]), MESH)
    expect((await shown())[0]).toBe(line('throughput_min', 0))
  })

  test('removes a value that the next run could not measure', async () => {
    observer.observeRun(endedRun('iperf'), [iperfPair('a', 'b', 900)])
    observer.observeRun(endedRun('iperf'), [failedPair('a', 'b', Outcome.OUTCOME_TIMED_OUT)])
    expect(await samples('meshgauge_node_throughput')).toEqual([])
    expect(await samples('meshgauge_worst_pair_throughput')).toEqual([])
  })

  test('ranks the ten slowest pairs', async () => {
    const many = Array.from({ length: 25 }, (_, index) => iperfPair(`n${index}`, 'x', 1000 - index))
    observer.observeRun(endedRun('iperf'), many)
    const worst = await samples('meshgauge_worst_pair_throughput_bits_per_second')
    expect(worst).toHaveLength(10)
    expect(worst[0]).toBe('{rank="1",source="n24",destination="x",interface="net0"} 976')
    expect(worst[9]).toBe('{rank="10",source="n15",destination="x",interface="net0"} 985')
  })

  test('counts each pair by its outcome when its result arrives', async () => {
    observer.observeResults(endedRun('iperf'), MESH.slice(0, 2))
    observer.observeResults(endedRun('iperf'), MESH.slice(2))
    expect((await samples('meshgauge_pairs_total')).sort()).toEqual([
      '{test="iperf",outcome="measured"} 4',
      '{test="iperf",outcome="not_run"} 1',
      '{test="iperf",outcome="refused"} 1',
    ])
  })
})

describe('a ping run', () => {
  test('sets the loss of both ends, and the round-trip times of the probing end', async () => {
    const results = [pingPair('a', 'b', 10, new Array(9).fill(0.001)), pingPair('a', 'c', 10, [])]
    observer.observeRun(endedRun('ping'), results)
    expect((await samples('meshgauge_node_ping_loss_ratio')).sort()).toEqual([
      '{node="a",interface="net0",direction="tx"} 0.55',
      '{node="b",interface="net0",direction="rx"} 0.1',
      '{node="c",interface="net0",direction="rx"} 1',
    ])
    expect(await samples('meshgauge_node_rtt_seconds')).toEqual(
      ['p50', 'p99'].map((stat) => `{node="a",interface="net0",stat="${stat}"} 0.001`),
    )
    expect(await samples('meshgauge_worst_pair_loss_ratio')).toEqual([
      '{rank="1",source="a",destination="c",interface="net0"} 1',
      '{rank="2",source="a",destination="b",interface="net0"} 0.1',
    ])
  })

  test('without loss has no worst pairs', async () => {
    observer.observeRun(endedRun('ping'), [pingPair('a', 'b', 1, [0.001])])
    expect(await samples('meshgauge_worst_pair_loss_ratio')).toEqual([])
  })
})

describe('pairs', () => {
  const pairs = async () => (await samples('meshgauge_pair_throughput_bits_per_second')).sort()

  test('have series within the budget', async () => {
    observer.observeResults(endedRun('iperf'), MESH)
    expect(await pairs()).toHaveLength(4)
    expect(await pairs()).toContain('{source="a",destination="b",interface="net0"} 900')
    observer.observeResults(endedRun('ping'), [pingPair('a', 'b', 4, [0.002]), pingPair('a', 'c', 4, [])])
    expect(await samples('meshgauge_pair_loss_ratio')).toEqual([
      '{source="a",destination="b",interface="net0"} 0.75',
      '{source="a",destination="c",interface="net0"} 1',
    ])
    expect(await samples('meshgauge_pair_rtt_p50_seconds')).toEqual([
      '{source="a",destination="b",interface="net0"} 0.002',
    ])
  })

  test('of a run above the budget have no series, and older ones are removed', async () => {
    observer.observeResults(endedRun('iperf'), MESH)
    observer.observeResults(endedRun('iperf', { plan: { ...endedRun('iperf').plan!, pairCount: 7 } }), [
      iperfPair('x', 'y', 1),
    ])
    expect(await pairs()).toEqual([])
    expect(await samples('meshgauge_pair_series_dropped')).toEqual(['{test="iperf"} 7'])
    observer.observeResults(endedRun('iperf'), [iperfPair('x', 'y', 1)])
    expect(await pairs()).toHaveLength(1)
    expect(await samples('meshgauge_pair_series_dropped')).toEqual(['{test="iperf"} 0'])
  })

  test('of several small runs are replaced by newer ones beyond the budget', async () => {
    observer.observeResults(endedRun('iperf'), MESH)
    observer.observeResults(
      endedRun('iperf'),
      [1, 2, 3].map((n) => iperfPair('x', `y${n}`, n)),
    )
    const shown = await pairs()
    expect(shown).toHaveLength(6)
    expect(shown).not.toContain('{source="a",destination="b",interface="net0"} 900')
    expect(shown).toContain('{source="x",destination="y3",interface="net0"} 3')
  })
})

describe('verdicts', () => {
  const verdict = createVerdict({
    kind: 'interface',
    node: 'a',
    interface: 'net0',
    direction: 'tx',
    confidence: 0.97,
  })
  const line = '{test="iperf",kind="interface",node="a",interface="net0",direction="tx",peer="",rack=""} 0.97'

  test('stay until a run that measured enough clears them', async () => {
    observer.observeRun(endedRun('iperf', { verdicts: [verdict] }), MESH)
    expect(await samples('meshgauge_verdicts')).toEqual([line])
    observer.observeRun(endedRun('iperf'), [iperfPair('a', 'b', 900), iperfPair('b', 'a', 900)])
    expect(await samples('meshgauge_verdicts'), 'a ring of two cannot clear it').toEqual([line])
    observer.observeRun(
      endedRun('ping'),
      ['b', 'c', 'd'].map((peer) => pingPair('a', peer, 1, [0.001])),
    )
    expect(await samples('meshgauge_verdicts'), 'another test cannot clear it').toEqual([line])
    observer.observeRun(endedRun('iperf'), MESH)
    expect(await samples('meshgauge_verdicts')).toEqual([])
  })

  test('about a link are cleared only when the link itself was measured', async () => {
    const link = { ...verdict, kind: 'link' as const, peer: 'e' }
    observer.observeRun(endedRun('iperf', { verdicts: [link] }), MESH)
    observer.observeRun(endedRun('iperf'), MESH)
    expect(await samples('meshgauge_verdicts')).toHaveLength(1)
    observer.observeRun(endedRun('iperf'), [...MESH, iperfPair('a', 'e', 900)])
    expect(await samples('meshgauge_verdicts')).toEqual([])
  })
})
