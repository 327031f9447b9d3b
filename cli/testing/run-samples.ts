/** Runs, pairs and verdicts for tests. */

import { IperfResult } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import {
  CulpritKind,
  type EndpointPair,
  FaultDirection,
  Judgement,
  JudgementState,
  PairResult,
  Verdict,
} from '#proto/meshgauge/collector/v1/result.ts'
import { Plan, Run, RunSpec, RunState, Topology, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { toDuration, toTimestamp } from '../../lib/protobuf-time.ts'

export const RUN_ID = '0198c2f0-1111-7abc-8def-0123456789ab'
const START = new Date('2026-01-02T03:04:05.000Z')

const address = (node: string): string => `10.0.0.${node.replace(/\D/g, '')}`

export const endpointPair = (source: string, destination: string, name = 'net1'): Required<EndpointPair> => ({
  source: { node: source, interface: name, address: address(source) },
  destination: { node: destination, interface: name, address: address(destination) },
})

export const iperfPair = (source: string, destination: string, bitsPerSecond: number): PairResult =>
  PairResult.fromPartial({
    ...endpointPair(source, destination),
    outcome: Outcome.OUTCOME_MEASURED,
    values: {
      $case: 'iperf',
      value: IperfResult.fromPartial({
        outcome: Outcome.OUTCOME_MEASURED,
        bitsPerSecond,
        retransmitCount: 3,
      }),
    },
    samples: [
      {
        flowIndex: 0,
        start: toDuration(0),
        end: toDuration(1),
        bitsPerSecond,
        bytes: bitsPerSecond / 8,
        omitted: false,
        reverse: false,
      },
    ],
    engine: { name: 'iperf3', version: '3.12' },
    attemptCount: 1,
    traceId: 'aa'.repeat(16),
    round: 1,
  })

export const pingPair = (
  source: string,
  destination: string,
  lossRatio: number,
  seconds: number,
): PairResult => {
  const rtt = toDuration(seconds)
  return PairResult.fromPartial({
    ...endpointPair(source, destination),
    outcome: lossRatio < 1 ? Outcome.OUTCOME_MEASURED : Outcome.OUTCOME_UNREACHABLE,
    reason: lossRatio < 1 ? '' : 'no answer to 10 probes',
    values: {
      $case: 'ping',
      value: {
        sentCount: 10,
        receivedCount: Math.round(10 * (1 - lossRatio)),
        lossRatio,
        rtt:
          lossRatio < 1
            ? { min: rtt, avg: rtt, p50: rtt, p99: rtt, max: rtt, jitter: toDuration(0) }
            : undefined,
      },
    },
    engine: { name: 'fping', version: '5.1' },
    attemptCount: 1,
  })
}

export const failedPair = (
  source: string,
  destination: string,
  outcome: Outcome,
  reason: string,
): PairResult =>
  PairResult.fromPartial({ ...endpointPair(source, destination), outcome, reason, attemptCount: 2 })

/** The pairs of a mesh of nodes n1 to nN. `make` creates each pair. */
export const meshOf = (
  count: number,
  make: (source: string, destination: string) => PairResult,
): PairResult[] => {
  const names = Array.from({ length: count }, (_, index) => `n${index + 1}`)
  return names.flatMap((source) =>
    names.filter((destination) => destination !== source).map((destination) => make(source, destination)),
  )
}

/** A judgement as the collector sends it. */
export const judgementOf = (
  state: 'healthy' | 'bad' | 'unclear',
  headline: string,
  changes: Partial<Judgement> = {},
): Judgement => ({
  ...Judgement.fromPartial({
    state: JUDGEMENT_STATES[state],
    headline,
    coverage: { requestedCount: 12, observedCount: 12 },
    exitCode: { healthy: 0, bad: 1, unclear: 3 }[state],
  }),
  ...changes,
})

const JUDGEMENT_STATES = {
  healthy: JudgementState.JUDGEMENT_STATE_HEALTHY,
  bad: JudgementState.JUDGEMENT_STATE_BAD,
  unclear: JudgementState.JUDGEMENT_STATE_UNCLEAR,
}

const judgementOfSample = (state: RunState, { verdicts = [] }: Partial<Run>): Judgement => {
  if (verdicts.length > 0) return judgementOf('bad', verdicts[0]!.message)
  return state === RunState.RUN_STATE_COMPLETED
    ? judgementOf('healthy', 'Healthy. No culprit among 4 nodes and 4 interfaces.')
    : judgementOf('unclear', 'Unclear. The run was cancelled. 10 of 12 pairs were observed.')
}

/** A run of a mesh of four nodes, healthy unless its state or verdicts say otherwise. */
export const runOf = (state: RunState, changes: Partial<Run> = {}): Run => ({
  ...Run.fromPartial({
    judgement: judgementOfSample(state, changes),
    id: RUN_ID,
    state,
    spec: RunSpec.fromPartial({
      label: 'nightly',
      topology: Topology.fromPartial({ kind: TopologyKind.TOPOLOGY_KIND_MESH }),
      test: { $case: 'iperf', value: { options: { duration: toDuration(2) } } },
    }),
    plan: Plan.fromPartial({
      nodeCount: 4,
      pairCount: 12,
      roundCount: 3,
      lowerBound: 3,
      ratio: 1,
      certified: true,
    }),
    createTime: toTimestamp(START),
    startTime: toTimestamp(START),
    endTime: toTimestamp(new Date(START.getTime() + 7500)),
    progress: { doneCount: 12, measuredCount: 12, pairCount: 12, round: 3, remaining: toDuration(0) },
    traceId: 'ab'.repeat(16),
    summary: { measuredCount: 12 },
  }),
  ...changes,
})

export const slowSender = (): Verdict =>
  Verdict.fromPartial({
    kind: CulpritKind.CULPRIT_KIND_INTERFACE,
    node: 'n3',
    interface: 'net1',
    direction: FaultDirection.FAULT_DIRECTION_TX,
    confidence: 0.991,
    message: 'n3 sends badly on net1: 48 Mbit/s where its peers reach 9.4 Gbit/s.',
    pairsFor: [endpointPair('n3', 'n1'), endpointPair('n3', 'n2'), endpointPair('n3', 'n4')],
    pairCount: 3,
    retested: true,
  })
