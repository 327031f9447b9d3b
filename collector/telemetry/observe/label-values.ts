import { type Outcome, outcomeToJSON } from '#proto/meshgauge/agent/v1/types.ts'
import { type PathState, pathStateToJSON } from '#proto/meshgauge/collector/v1/mesh.ts'
import {
  type RunState,
  runStateToJSON,
  type TopologyKind,
  topologyKindToJSON,
} from '#proto/meshgauge/collector/v1/run.ts'
import type { Run } from '../../store/run.ts'

/** Converts enum values of the protocol to label values: OUTCOME_TIMED_OUT becomes timed_out. */
const labelOf =
  <E>(toName: (value: E) => string, prefix: string) =>
  (value: E): string =>
    toName(value).replace(prefix, '').toLowerCase()

export const outcomeLabel = labelOf<Outcome>(outcomeToJSON, 'OUTCOME_')
export const runStateLabel = labelOf<RunState>(runStateToJSON, 'RUN_STATE_')
const topologyLabel = labelOf<TopologyKind>(topologyKindToJSON, 'TOPOLOGY_KIND_')
export const pathStateLabel = labelOf<PathState>(pathStateToJSON, 'PATH_STATE_')

/** Returns the labels that every metric of a run has. */
export const runLabels = (run: Run): { test: string; topology: string } => ({
  test: run.spec.test.kind,
  topology: topologyLabel(run.spec.topology.kind),
})
