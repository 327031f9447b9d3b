import { throwIfInvalid, type Violation } from '../../lib/errors.ts'
import { checkExpectations } from '../diagnosis/expectations.ts'
import { checkHostSampling } from '../dispatch/host-sampling.ts'
import { endpointsOf, interfaceNames } from '../inventory/endpoints.ts'
import type { FleetNode } from '../inventory/node.ts'
import { withShiftCount } from '../plan/effective-run-spec.ts'
import { type PlannedRun, planRun } from '../plan/plan-run.ts'
import { type RequestedRunSpec, reviewedRunSpec } from '../plan/run-spec.ts'
import { type ChosenPairs, choosePairs } from '../topology/choose-pairs.ts'
import { restrictTo } from '../topology/named-addresses.ts'

/** Returns the nodes, pairs and interfaces of a run, and all problems of its spec. It makes no plan. */
export const reviewRun = (
  spec: RequestedRunSpec,
  fleet: readonly FleetNode[],
): { chosen: ChosenPairs; names: string[]; violations: Violation[] } => {
  const chosen = choosePairs(spec.topology, fleet)
  const { names, violations: unknownInterfaces } = interfaceNames(chosen.nodes, spec.interfaces)
  const violations = [...chosen.violations]
  if (!spec.test) violations.push({ field: 'test', description: 'ping or iperf is needed' })
  else violations.push(...checkExpectations(spec.expectations, spec.test))
  violations.push(...checkHostSampling(spec))
  // Without nodes every interface would be reported as unknown: then only those that the whole fleet lacks are.
  if (chosen.violations.length > 0) {
    violations.push(...interfaceNames(fleet, spec.interfaces).violations)
  } else {
    violations.push(...unknownInterfaces)
    if (unknownInterfaces.length === 0 && names.length === 0) {
      const description = 'no two of the nodes have an interface of the same name'
      violations.push({ field: 'interfaces', description })
    }
  }
  return { chosen, names, violations }
}

/** Returns the violation of an engine that all nodes report as missing. A node that did not report may have it. */
const reviewEngine = ({ test }: RequestedRunSpec, nodes: readonly FleetNode[]): Violation[] => {
  if (!test || nodes.length === 0) return []
  const reports = nodes.map(({ description }) =>
    description?.engines.find(({ name }) => name === test.engine),
  )
  if (reports.some((report) => report === undefined || report.available)) return []
  const reasons = new Set(reports.flatMap((report) => report?.reasons ?? []))
  const description = `${test.engine} runs on none of the ${nodes.length} nodes: ${[...reasons].join('; ')}`
  return [{ field: `test.${test.kind}.engine`, description }]
}

/**
 * Plans a run on the fleet as it is now.
 * @throws OperatingError SPEC_INVALID with all problems
 */
export const prepareRun = (requested: RequestedRunSpec, fleet: readonly FleetNode[]): PlannedRun => {
  const { chosen, names, violations } = reviewRun(requested, fleet)
  throwIfInvalid('the run', [...violations, ...reviewEngine(requested, chosen.nodes)])
  const spec = withShiftCount(reviewedRunSpec(requested), chosen.nodes.length)
  const { endpoints, isWanted } = restrictTo(chosen.named, endpointsOf(chosen.nodes, names))
  const planned = planRun(spec, chosen.nodes, endpoints, chosen.pairs, isWanted)
  if (chosen.named && planned.sources.length === 0) {
    const description = 'no client and server have their addresses on interfaces of the same name'
    throwIfInvalid('the run', [{ field: 'topology.servers', description }])
  }
  return planned
}
