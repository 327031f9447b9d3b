import { expect, test } from 'vitest'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { failedPair, iperfPair, pingPair, RUN_ID, runOf, slowSender } from '../testing/run-samples.ts'
import { renderCsv } from './csv.ts'
import { resultDocument } from './run-document.ts'

/** The document after serialisation, which removes undefined values. */
const documentOf = (...args: Parameters<typeof resultDocument>): unknown =>
  JSON.parse(JSON.stringify(resultDocument(...args)))

test('the document has the run, the plan, the pairs and the summary', () => {
  const run = runOf(RunState.RUN_STATE_COMPLETED, { verdicts: [slowSender()] })
  expect(documentOf(run, [iperfPair('n1', 'n2', 9.4e9)])).toMatchObject({
    run: {
      id: RUN_ID,
      label: 'nightly',
      state: 'completed',
      topology: 'mesh',
      test: 'iperf',
      startTime: '2026-01-02T03:04:05.000Z',
      endTime: '2026-01-02T03:04:12.500Z',
    },
    plan: { nodes: 4, pairs: 12, rounds: 3, lowerBound: 3, ratio: 1, certified: true },
    pairs: [
      {
        source: { node: 'n1', interface: 'net1', address: '10.0.0.1' },
        destination: { node: 'n2', interface: 'net1', address: '10.0.0.2' },
        outcome: 'measured',
        iperf: {
          bitsPerSecond: 9.4e9,
          retransmitCount: 3,
          intervals: [{ startSeconds: 0, endSeconds: 1, bitsPerSecond: 9.4e9, bytes: 1.175e9 }],
        },
        engine: { name: 'iperf3', version: '3.12' },
        attemptCount: 1,
        traceId: 'aa'.repeat(16),
      },
    ],
    summary: {
      measuredCount: 12,
      wallSeconds: 7.5,
      idealSeconds: 6,
      efficiencyRatio: 0.8,
      verdicts: [{ kind: 'interface', node: 'n3', interface: 'net1', direction: 'tx', retested: true }],
    },
  })
})

test('a ping result has round-trip times in seconds, and none without an answer', () => {
  const { pairs } = documentOf(runOf(RunState.RUN_STATE_COMPLETED), [
    pingPair('n1', 'n2', 0.1, 0.00025),
    pingPair('n1', 'n3', 1, 0),
  ]) as { pairs: Record<string, unknown>[] }
  expect(pairs[0]!.ping).toEqual({
    sentCount: 10,
    receivedCount: 9,
    lossRatio: 0.1,
    rttSeconds: { min: 0.00025, avg: 0.00025, p50: 0.00025, p99: 0.00025, max: 0.00025 },
    jitterSeconds: 0,
  })
  expect(pairs[1]).toMatchObject({ outcome: 'unreachable', reason: 'no answer to 10 probes' })
  expect(pairs[1]!.ping).toEqual({ sentCount: 10, receivedCount: 0, lossRatio: 1 })
})

test.each([
  [Outcome.OUTCOME_REFUSED, 'refused'],
  [Outcome.OUTCOME_TIMED_OUT, 'timed_out'],
  [Outcome.OUTCOME_INVALID, 'invalid'],
  [Outcome.OUTCOME_NOT_RUN, 'not_run'],
])('outcome %s is written as %s, without values', (outcome, word) => {
  const { pairs } = documentOf(runOf(RunState.RUN_STATE_COMPLETED), [
    failedPair('n1', 'n2', outcome, 'why'),
  ]) as {
    pairs: Record<string, unknown>[]
  }
  expect(pairs[0]).toMatchObject({ outcome: word, reason: 'why', attemptCount: 2 })
  expect(pairs[0]).not.toHaveProperty('iperf')
  expect(pairs[0]).not.toHaveProperty('ping')
})

test('CSV quotes texts, leaves unmeasured values empty, and escapes formulas', () => {
  const [head, first, second] = renderCsv([
    iperfPair('n1', 'n2', 1e9),
    failedPair('n1', 'n2', Outcome.OUTCOME_REFUSED, '=HYPERLINK("x"),boo'),
  ]).split('\n')
  expect(head).toMatch(/^source_node,source_interface,source_address,destination_node,/)
  expect(first).toContain('n1,net1,10.0.0.1,n2,net1,10.0.0.2,measured,,1000000000,')
  expect(second).toContain(`refused,"'=HYPERLINK(""x""),boo",,`)
})
