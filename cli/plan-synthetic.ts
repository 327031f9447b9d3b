/** Plans a run for a synthetic fleet, with the collector's planner and without a collector. */

import type { Plan, RunSpec } from '#proto/meshgauge/collector/v1/run.ts'
import { createNode, type FleetNode } from '../collector/inventory/node.ts'
import { requestedRunSpecOf } from '../collector/plan/run-spec-message.ts'
import { prepareRun } from '../collector/runs/prepare.ts'

export type SyntheticFleet = {
  count: number
  /** Nodes per rack. Undefined puts all nodes in one rack. */
  rackSize: number | undefined
}

/** Nodes node-1 to node-COUNT in racks rack-1, rack-2, …, with the interfaces of the spec, or net0 if it names none. */
const createNodes = (
  { count, rackSize = count }: SyntheticFleet,
  interfaces: readonly string[],
): FleetNode[] => {
  const names = interfaces.length > 0 ? [...interfaces] : ['net0']
  return Array.from({ length: count }, (_, index) =>
    createNode({
      name: `node-${index + 1}`,
      rack: `rack-${Math.floor(index / rackSize) + 1}`,
      state: 'ready',
      interfaces: names,
    }),
  )
}

/** @throws OperatingError SPEC_INVALID with every violation of the spec for this fleet */
export const planSynthetic = (spec: RunSpec, fleet: SyntheticFleet): Plan =>
  prepareRun(requestedRunSpecOf(spec), createNodes(fleet, spec.interfaces)).message
