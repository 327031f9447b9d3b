/** Plans for a fleet that does not exist, with the collector's own planner. */

import { Node, NodeState } from '#proto/meshgauge/collector/v1/fleet.ts'
import type { Plan, RunSpec } from '#proto/meshgauge/collector/v1/run.ts'
import { prepareRun } from '../collector/runs/prepare.ts'

export type SyntheticFleet = {
  count: number
  /** Nodes in a rack; all in one when absent. */
  rackSize: number | undefined
}

/** node-1 to node-COUNT, all well, in racks rack-1 and on, with the interfaces that the spec names (else one). */
const syntheticNodes = (
  { count, rackSize = count }: SyntheticFleet,
  interfaces: readonly string[],
): Node[] => {
  const names = interfaces.length > 0 ? [...interfaces] : ['net0']
  return Array.from({ length: count }, (_, index) =>
    Node.fromPartial({
      name: `node-${index + 1}`,
      rack: `rack-${Math.floor(index / rackSize) + 1}`,
      state: NodeState.NODE_STATE_READY,
      interfaces: names,
    }),
  )
}

/** @throws OperatingError SPEC_INVALID with everything that is wrong with the spec for this fleet */
export const planSynthetic = (spec: RunSpec, fleet: SyntheticFleet): Plan =>
  prepareRun(spec, syntheticNodes(fleet, spec.interfaces)).message
