import { type Outcome, outcomeToJSON } from '#proto/meshgauge/agent/v1/types.ts'
import { type NodeState, nodeStateToJSON } from '#proto/meshgauge/collector/v1/fleet.ts'
import { type PathState, pathStateToJSON } from '#proto/meshgauge/collector/v1/mesh.ts'
import {
  type CulpritKind,
  culpritKindToJSON,
  type FaultDirection,
  faultDirectionToJSON,
} from '#proto/meshgauge/collector/v1/result.ts'
import {
  type Run,
  type RunState,
  runStateToJSON,
  type TopologyKind,
  topologyKindToJSON,
} from '#proto/meshgauge/collector/v1/run.ts'

/** Enum values of the protocol as label values: OUTCOME_TIMED_OUT is timed_out. */
const word =
  <E>(toName: (value: E) => string, prefix: string) =>
  (value: E): string =>
    toName(value).replace(prefix, '').toLowerCase()

export const outcomeWord = word<Outcome>(outcomeToJSON, 'OUTCOME_')
export const runStateWord = word<RunState>(runStateToJSON, 'RUN_STATE_')
export const nodeStateWord = word<NodeState>(nodeStateToJSON, 'NODE_STATE_')
const topologyWord = word<TopologyKind>(topologyKindToJSON, 'TOPOLOGY_KIND_')
export const pathStateWord = word<PathState>(pathStateToJSON, 'PATH_STATE_')
export const culpritWord = word<CulpritKind>(culpritKindToJSON, 'CULPRIT_KIND_')
export const faultWord = word<FaultDirection>(faultDirectionToJSON, 'FAULT_DIRECTION_')

/** The labels that every metric of a run has. */
export const runWords = (run: Run): { test: string; topology: string } => ({
  test: run.spec?.test?.$case ?? 'unspecified',
  topology: topologyWord(run.spec?.topology?.kind ?? 0),
})
