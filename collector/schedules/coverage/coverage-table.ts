import { Topology, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { throwIfInvalid } from '../../../lib/errors.ts'
import type { FleetNode } from '../../inventory/node.ts'
import { isReady } from '../../inventory/selectors.ts'
import { createIperfTest, createPingTest, createRunSpec } from '../../plan/effective-run-spec.ts'
import type { RunSpec, RunTest } from '../../plan/run-spec.ts'
import { reviewRun } from '../../runs/prepare.ts'
import type { CoverageLedger } from './coverage-ledger.ts'
import { PAIR_ABSENT } from './due-pairs.ts'

/**
 * The pairs of a topology on each of its interfaces, and when each was last measured. Row i x sources.length + p of
 * `lastTimes` is pair p on interface i, in Unix seconds. Nodes and interfaces are positions in their lists.
 */
export type CoverageTable = {
  nodes: readonly FleetNode[]
  interfaces: readonly string[]
  sources: Int32Array
  destinations: Int32Array
  lastTimes: Uint32Array
}

/** The pair of a row: node positions and interface position. */
export const pairOfRow = ({ sources, destinations }: CoverageTable, row: number) => ({
  source: sources[row % sources.length]!,
  destination: destinations[row % sources.length]!,
  interface: Math.floor(row / sources.length),
})

/**
 * The pairs that a run measures, with their last times from the ledger.
 * @throws OperatingError SPEC_INVALID when the fleet cannot carry out the run
 */
export const createCoverageTable = async (
  ledger: Pick<CoverageLedger, 'lastTimes'>,
  run: RunSpec,
  fleet: readonly FleetNode[],
): Promise<CoverageTable> => {
  const { chosen, names: interfaces, violations } = reviewRun(run, fleet)
  throwIfInvalid('the run', violations)
  const { nodes, pairs } = chosen
  const count = pairs.sources.length
  const lastTimes = new Uint32Array(interfaces.length * count)
  const names = nodes.map(({ name }) => name)
  for (const [index, name] of interfaces.entries()) {
    const ofInterface = await ledger.lastTimes(run.test.kind, name, { names, ...pairs })
    const hasInterface = nodes.map((node) => node.interfaces.includes(name))
    for (let pair = 0; pair < count; pair++) {
      const exists = hasInterface[pairs.sources[pair]!]! && hasInterface[pairs.destinations[pair]!]!
      lastTimes[index * count + pair] = exists ? ofInterface[pair]! : PAIR_ABSENT
    }
  }
  return { nodes, interfaces, ...pairs, lastTimes }
}

/** The last times of the pairs whose agents both answer now; the other pairs are absent. */
export const lastTimesOfReadyPairs = ({
  nodes,
  sources,
  destinations,
  lastTimes,
}: CoverageTable): Uint32Array => {
  const ready = nodes.map(isReady)
  const count = sources.length
  return lastTimes.map((last, row) => {
    const pair = row % count
    return ready[sources[pair]!]! && ready[destinations[pair]!]! ? last : PAIR_ABSENT
  })
}

/** A run of all pairs of the fleet, on one interface, or on all when the name is empty. */
export const fullMeshRun = (test: RunTest['kind'], interfaceName: string): RunSpec =>
  createRunSpec({
    topology: Topology.fromPartial({ kind: TopologyKind.TOPOLOGY_KIND_MESH }),
    test: test === 'ping' ? createPingTest() : createIperfTest(),
    interfaces: interfaceName === '' ? [] : [interfaceName],
  })
