import { expect, test } from 'vitest'
import { IperfSample } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { failedPair, iperfPair } from '../telemetry/testing/samples.ts'
import { pairLine, reportOf } from './iperf.ts'

const on = (name: string, pair: ReturnType<typeof iperfPair>) => ({
  ...pair,
  source: { ...pair.source!, interface: name },
})

test('tables name every column; pairs that failed show their outcome and are not in the average', () => {
  const report = reportOf(
    ['net0', 'net1'],
    [
      on('net0', iperfPair('a', 'b', 9_414_000_000)),
      on('net0', iperfPair('b', 'a', 9e9)),
      on('net0', iperfPair('a', 'c', 9.5e9)),
      on('net0', failedPair('c', 'a', Outcome.OUTCOME_REFUSED)),
      on('net0', iperfPair('b', 'c', 50_000_000)),
      on('net0', failedPair('c', 'b', Outcome.OUTCOME_TIMED_OUT)),
      on('net1', failedPair('a', 'b', Outcome.OUTCOME_UNREACHABLE)),
    ],
  )
  const pad = (text: string) => text.padEnd(40)
  const row = (...cells: string[]) => `${cells.map(pad).join('')}\n`
  expect(report).toBe(
    [
      'Network Throughput net1-0:\n',
      row('src/dst', 'agent_on_a', 'agent_on_b', 'agent_on_c'),
      row('agent_on_a', 'N/A', '9.41', '9.5'),
      row('agent_on_b', '9.0', 'N/A', '0.05'),
      row('agent_on_c', 'refused', 'timed_out', 'N/A'),
      '\n',
      'Network Throughput net1-1:\n',
      row('src/dst', 'agent_on_a', 'agent_on_b'),
      row('agent_on_a', 'N/A', 'unreachable'),
      row('agent_on_b', 'N/A', 'N/A'),
      '\n',
      'Overall Network Interface Average Bandwidth:\n',
      'net1-0 Average Bandwidth Gb/s: 6.99\n',
      'net1-1 Average Bandwidth Gb/s: N/A\n',
      'net1-0 Bandwidth Gb/s: minimum 0.05, maximum 9.50, mean 6.99, aggregate 27.96\n',
      'net1-1 Bandwidth Gb/s: N/A\n',
    ].join(''),
  )
})

test('the line of a pair has the figures of its intervals without the warm-up', () => {
  const sample = (gigabits: number, omitted = false) =>
    IperfSample.fromPartial({ bitsPerSecond: gigabits * 1e9, omitted })
  const pair = {
    ...iperfPair('a', 'b', 9.4e9),
    samples: [sample(1, true), sample(9), sample(9.5), sample(9.7)],
  }
  expect(pairLine(pair)).toBe(
    'agent_on_a -> agent_on_b (net0) Gb/s: minimum 9.00, maximum 9.70, mean 9.40, aggregate 9.40',
  )
})
