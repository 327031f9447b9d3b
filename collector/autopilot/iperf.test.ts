import { expect, test } from 'vitest'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { failedPair, iperfPair } from '../telemetry/testing/samples.ts'
import { reportOf } from './iperf.ts'

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
    ].join(''),
  )
})
