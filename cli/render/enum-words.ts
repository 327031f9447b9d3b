import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { CulpritKind, FaultDirection } from '#proto/meshgauge/collector/v1/result.ts'
import { type Run, RunState, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'

/** How enum values are written in documents, so that nobody has to know protobuf to read them. */
const wordOf =
  <V extends number>(words: Partial<Record<V, string>>) =>
  (value: V): string =>
    words[value] ?? 'unknown'

export const outcomeWord = wordOf<Outcome>({
  [Outcome.OUTCOME_MEASURED]: 'measured',
  [Outcome.OUTCOME_UNREACHABLE]: 'unreachable',
  [Outcome.OUTCOME_REFUSED]: 'refused',
  [Outcome.OUTCOME_TIMED_OUT]: 'timed_out',
  [Outcome.OUTCOME_INVALID]: 'invalid',
  [Outcome.OUTCOME_NOT_RUN]: 'not_run',
})

export const stateWord = wordOf<RunState>({
  [RunState.RUN_STATE_PENDING]: 'pending',
  [RunState.RUN_STATE_RUNNING]: 'running',
  [RunState.RUN_STATE_COMPLETED]: 'completed',
  [RunState.RUN_STATE_CANCELLED]: 'cancelled',
  [RunState.RUN_STATE_INTERRUPTED]: 'interrupted',
  [RunState.RUN_STATE_FAILED]: 'failed',
})

export const topologyWord = wordOf<TopologyKind>({
  [TopologyKind.TOPOLOGY_KIND_RING]: 'ring',
  [TopologyKind.TOPOLOGY_KIND_MESH]: 'mesh',
  [TopologyKind.TOPOLOGY_KIND_MATRIX]: 'matrix',
  [TopologyKind.TOPOLOGY_KIND_STAR]: 'star',
  [TopologyKind.TOPOLOGY_KIND_SHIFTS]: 'shifts',
  [TopologyKind.TOPOLOGY_KIND_PAIRS]: 'pairs',
})

export const culpritWord = wordOf<CulpritKind>({
  [CulpritKind.CULPRIT_KIND_NODE]: 'node',
  [CulpritKind.CULPRIT_KIND_INTERFACE]: 'interface',
  [CulpritKind.CULPRIT_KIND_LINK]: 'link',
  [CulpritKind.CULPRIT_KIND_RACK_UPLINK]: 'rack_uplink',
})

export const directionWord = wordOf<FaultDirection>({
  [FaultDirection.FAULT_DIRECTION_TX]: 'tx',
  [FaultDirection.FAULT_DIRECTION_RX]: 'rx',
  [FaultDirection.FAULT_DIRECTION_BOTH]: 'both',
})

export const runTopology = (run: Run): string =>
  topologyWord(run.spec?.topology?.kind ?? TopologyKind.TOPOLOGY_KIND_UNSPECIFIED)

export const runTest = (run: Run): 'ping' | 'iperf' => (run.spec?.test?.$case === 'ping' ? 'ping' : 'iperf')

const ENDED: readonly RunState[] = [
  RunState.RUN_STATE_COMPLETED,
  RunState.RUN_STATE_CANCELLED,
  RunState.RUN_STATE_INTERRUPTED,
  RunState.RUN_STATE_FAILED,
]

export const hasEnded = (run: Run): boolean => ENDED.includes(run.state)
