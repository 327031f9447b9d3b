import { describe, expect, test } from 'vitest'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { PairMark, type PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import {
  endpointPair,
  failedPair,
  iperfPair,
  meshOf,
  pingPair,
  RUN_ID,
  runOf,
  slowSender,
} from '../testing/run-samples.ts'
import { createPaint, noPaint } from './paint.ts'
import { renderReport } from './run-report.ts'

const COMPLETED = RunState.RUN_STATE_COMPLETED
const options = { paint: noPaint, columns: 80 }

const healthy = () => meshOf(4, (source, destination) => iperfPair(source, destination, 9.4e9))

const marked = (pair: PairResult): PairResult => ({ ...pair, mark: PairMark.PAIR_MARK_BAD })

const pingRun = () => {
  const run = runOf(COMPLETED)
  return { ...run, spec: { ...run.spec!, test: { $case: 'ping' as const, value: undefined as never } } }
}

describe('renderReport', () => {
  test('a healthy mesh has a headline, a matrix and a duration', () => {
    expect(renderReport(runOf(COMPLETED), healthy(), options)).toBe(
      `Healthy. No culprit among 4 nodes and 4 interfaces.

net1, Gbit/s received (row sends, column receives)
        n1    n2    n3    n4
  n1     ·  9.40  9.40  9.40
  n2  9.40     ·  9.40  9.40
  n3  9.40  9.40     ·  9.40
  n4  9.40  9.40  9.40     ·

3 rounds, the fewest possible; 7.5 s, 80 % of ideal time
Run ${RUN_ID} (nightly)`,
    )
  })

  test('a verdict is first, then its evidence; its pairs are marked without colours', () => {
    const pairs = meshOf(4, (source, destination) =>
      source === 'n3' ? marked(iperfPair(source, destination, 48e6)) : iperfPair(source, destination, 9.4e9),
    )
    const spread = { min: 48e6, mean: 9.3e9, median: 9.41e9, max: 9.6e9 }
    const summary = {
      measuredCount: 12,
      failedCount: 0,
      invalidCount: 0,
      notRunCount: 0,
      expectations: [],
      interfaces: [
        {
          interface: 'net1',
          measuredCount: 12,
          bitsPerSecond: spread,
          aggregateBitsPerSecond: 113e9,
          rtt: undefined,
          worst: [endpointPair('n3', 'n1')],
          markedCount: 3,
        },
      ],
    }
    expect(renderReport(runOf(COMPLETED, { verdicts: [slowSender()], summary }), pairs, options)).toBe(
      `✘ n3 sends badly on net1: 48 Mbit/s where its peers reach 9.4 Gbit/s.
  3 of 3 pairs agree. Retested on new ports: the same. Confidence 0.99. Trace abababab…

net1, Gbit/s received (row sends, column receives)
         n1     n2     n3     n4
  n1      ·   9.40   9.40   9.40
  n2   9.40      ·   9.40   9.40
  n3  0.05!  0.05!      ·  0.05!
  n4   9.40   9.40   9.40      ·
min 0.05   mean 9.30   max 9.60 Gbit/s   aggregate 113 Gbit/s
worst: n3 → n1 0.05

3 rounds, the fewest possible; 7.5 s, 80 % of ideal time
Run ${RUN_ID} (nightly)`,
    )
  })

  test('pairs that could not be measured have a reason and are never 0', () => {
    const pairs = meshOf(4, (source, destination) => {
      if (source === 'n2' || destination === 'n2') {
        return failedPair(
          source,
          destination,
          Outcome.OUTCOME_UNREACHABLE,
          `no route to 10.0.0.${destination.slice(1)}`,
        )
      }
      if (source === 'n1' && destination === 'n3') {
        return failedPair(source, destination, Outcome.OUTCOME_NOT_RUN, 'the run was cancelled')
      }
      return iperfPair(source, destination, 940e6)
    })
    expect(renderReport(runOf(RunState.RUN_STATE_CANCELLED), pairs, options)).toBe(
      `Unclear. The run was cancelled. 10 of 12 pairs were observed.
✘ 7 of 12 pairs could not be measured.
  6 unreachable, all from or to n2: no route to 10.0.0.2
  1 not run, n1 → n3 on net1: the run was cancelled

net1, Mbit/s received (row sends, column receives)
           n1       n2       n3       n4
  n1        ·  unreach        -      940
  n2  unreach        ·  unreach  unreach
  n3      940  unreach        ·      940
  n4      940  unreach      940        ·

3 rounds, the fewest possible; 7.5 s; 7 pairs retried
Run ${RUN_ID} (nightly)`,
    )
  })

  test('the matrix of pings shows round-trip times, or loss if there is any', () => {
    const quiet = meshOf(4, (source, destination) => pingPair(source, destination, 0, 0.00002))
    expect(renderReport(pingRun(), quiet, options)).toContain(
      'net1, µs round trip, median (row sends, column receives)',
    )
    const lossy = meshOf(4, (source, destination) =>
      destination === 'n2'
        ? marked(pingPair(source, destination, 0.1, 0.00002))
        : pingPair(source, destination, 0, 0.00002),
    )
    expect(
      renderReport(pingRun(), lossy, options),
    ).toContain(`net1, % lost in the test (row sends, column receives)
       n1   n2   n3   n4
  n1    ·  10!    0    0
  n2    0    ·    0    0
  n3    0  10!    ·    0
  n4    0  10!    0    ·`)
  })

  test('a matrix that is too wide loses the common prefix of the names, then is summarised', () => {
    const long = meshOf(8, (source, destination) =>
      iperfPair(`rack-7-gpu-${source}`, `rack-7-gpu-${destination}`, source === 'n7' ? 20e9 : 94e9),
    )
    expect(renderReport(runOf(COMPLETED), long, options)).toContain('columns without "rack-7-gpu-"')
    const many = meshOf(30, (source, destination) =>
      iperfPair(source, destination, source === 'n7' ? 20e9 : 94e9),
    )
    expect(renderReport(runOf(COMPLETED), many, options)).toContain(
      `net1, Gbit/s received (30 x 30 nodes; all pairs: meshgauge runs export ${RUN_ID})
  WORST SENDERS   MEDIAN   WORST   FAILED
  n7              20.0     20.0    0
`,
    )
  })

  test('text from other machines cannot move the cursor', () => {
    const pairs = [failedPair('n1', 'n2', Outcome.OUTCOME_INVALID, 'boo\u001b[2J\nhoo\u0007')]
    const report = renderReport(runOf(COMPLETED), pairs, { ...options, paint: createPaint(false) })
    expect(report).toContain('1 invalid, n1 → n2 on net1: boo hoo')
  })
})
