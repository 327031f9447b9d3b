/** The runs of a trial, the shortest first. */

import { IperfOptions } from '#proto/meshgauge/agent/v1/iperf.ts'
import { IperfTest, PingTest, RunSpec, Topology, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { toDuration } from '../../lib/protobuf-time.ts'

export type TrialRun = { name: string; spec: RunSpec }

/** 50 probes in 5 s are enough to name a node that loses 10 %. */
const PING_COUNT = 50
const PING_INTERVAL_SECONDS = 0.1

const topology = (kind: TopologyKind): Topology => Topology.fromPartial({ kind })

const iperf = (durationSeconds: number): NonNullable<RunSpec['test']> => ({
  $case: 'iperf',
  value: IperfTest.fromPartial({
    options: IperfOptions.fromPartial({ duration: toDuration(durationSeconds) }),
  }),
})

export const trialRuns = (durationSeconds: number): TrialRun[] => [
  {
    name: 'ping mesh',
    spec: RunSpec.fromPartial({
      label: 'trial',
      topology: topology(TopologyKind.TOPOLOGY_KIND_MESH),
      test: {
        $case: 'ping',
        value: PingTest.fromPartial({ count: PING_COUNT, interval: toDuration(PING_INTERVAL_SECONDS) }),
      },
    }),
  },
  {
    name: 'iperf ring',
    spec: RunSpec.fromPartial({
      label: 'trial',
      topology: topology(TopologyKind.TOPOLOGY_KIND_RING),
      test: iperf(durationSeconds),
    }),
  },
  {
    name: 'iperf mesh',
    spec: RunSpec.fromPartial({
      label: 'trial',
      topology: topology(TopologyKind.TOPOLOGY_KIND_MESH),
      test: iperf(durationSeconds),
    }),
  },
]
