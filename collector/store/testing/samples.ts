import { randomBytes } from 'node:crypto'
import { CheckStatus } from '#proto/meshgauge/agent/v1/check.ts'
import { IperfResult, IperfSample } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { CheckRecord, Severity } from '#proto/meshgauge/collector/v1/health.ts'
import { Run as RunMessage, RunState, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { toDuration, toTimestamp } from '../../../lib/protobuf-time.ts'
import { createPairResult, type PairResult } from '../../dispatch/pair-result.ts'
import type { Run } from '../run.ts'
import { runOf } from '../run-message.ts'

/** Messages for tests of stores, with most fields set, so that a lost field is noticed. */

export const START = new Date('2025-03-01T12:00:00.250Z')

/** A UUID version 7 with the given time. */
export const sampleId = (at: Date): string => {
  const time = at.getTime().toString(16).padStart(12, '0')
  const random = randomBytes(9).toString('hex')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(0, 3)}-a${random.slice(3, 6)}-${random.slice(6, 18)}`
}

export const sampleRun = (fields: Partial<Run> = {}): Run => ({
  ...runOf(
    RunMessage.fromPartial({
      id: sampleId(START),
      spec: {
        label: 'nightly',
        topology: { kind: TopologyKind.TOPOLOGY_KIND_MESH, nodes: ['node-1', 'node-2'] },
        test: { $case: 'iperf', value: { engine: 'iperf3', options: { duration: toDuration(2.5) } } },
        interfaces: ['net0'],
      },
      state: RunState.RUN_STATE_PENDING,
      plan: { nodeCount: 2, pairCount: 2, roundCount: 1, lowerBound: 1, ratio: 1, bytes: 123456789012 },
      createTime: toTimestamp(START),
      traceId: '0af7651916cd43dd8448eb211c80319c',
    }),
  ),
  ...fields,
})

/** A measured iperf pair that ended `index` seconds after START. */
export const sampleResult = (index: number, fields: Partial<PairResult> = {}): PairResult =>
  createPairResult({
    source: { node: `node-${index}`, interface: 'net0', address: `10.0.0.${index % 250}` },
    destination: { node: `node-${index + 1}`, interface: 'net0', address: `10.0.0.${(index + 1) % 250}` },
    outcome: Outcome.OUTCOME_MEASURED,
    values: {
      kind: 'iperf',
      ...IperfResult.fromPartial({
        outcome: Outcome.OUTCOME_MEASURED,
        bitsPerSecond: 9_410_000_000 + index,
        retransmitCount: 0,
      }),
    },
    samples: [
      IperfSample.fromPartial({
        start: toDuration(0),
        end: toDuration(1),
        bitsPerSecond: 9_400_000_000,
        bytes: 1_175_000_000,
      }),
    ],
    engine: { name: 'iperf3', version: '3.18' },
    attemptCount: 1,
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: 'b7ad6b7169203331',
    startTime: toTimestamp(START),
    endTime: toTimestamp(new Date(START.getTime() + index * 1000)),
    round: 1,
    ...fields,
  })

/** A check that passes now and failed before at a higher level. */
export const sampleRecord = (check: string, fields: Partial<CheckRecord> = {}): CheckRecord =>
  CheckRecord.fromPartial({
    result: {
      check,
      status: CheckStatus.CHECK_STATUS_PASS,
      evidence: [
        { subject: '0', name: 'pending', value: false, status: CheckStatus.CHECK_STATUS_PASS },
        { subject: 'node', name: 'failed_tests', value: ['memory.0', 'pcie.1'] },
      ],
      rawOutput: 'µ'.repeat(1000),
      startTime: toTimestamp(START),
      duration: toDuration(1.5),
    },
    severity: Severity.SEVERITY_EVICT,
    standingReason: 'EVICT of level 3 stands',
    time: toTimestamp(START),
    parameters: { level: 1, tests: ['memory'] },
    findings: [
      {
        severity: Severity.SEVERITY_EVICT,
        result: { check, status: CheckStatus.CHECK_STATUS_FAIL, reasons: ['0: memory is bad'] },
        parameters: { level: 3 },
        time: toTimestamp(START),
      },
    ],
    verdictTime: toTimestamp(START),
    ...fields,
  } as Parameters<typeof CheckRecord.fromPartial>[0])
