import { Topology, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import type { RunSpec } from '../../plan/run-spec.ts'
import { type CoverageTable, pairOfRow } from '../coverage/coverage-table.ts'
import type { Cost } from '../state/budget.ts'

/** A run stores its pairs in its RunSpec and its plan. More pairs become several runs, one after the other. */
const MAX_PAIRS_OF_A_RUN = 10_000

/** What one pair costs, and whether its bytes go in both directions. */
export type PairCost = { seconds: number; bytes: number; isBidirectional: boolean }

/**
 * As many of the rows as fit into the remaining budget, in their order. The bytes of all pairs count together, the busy
 * time counts for each interface and direction.
 */
export const rowsWithinBudget = (
  table: CoverageTable,
  rows: Int32Array,
  cost: PairCost,
  remaining: Cost,
): number[] => {
  const nodeCount = table.nodes.length
  const maxPairs = Math.floor(remaining.busySeconds / cost.seconds)
  const sent = new Uint32Array(nodeCount * table.interfaces.length)
  const received = cost.isBidirectional ? sent : new Uint32Array(sent.length)
  const chosen: number[] = []
  let { bytes } = remaining
  for (const row of rows) {
    const pair = pairOfRow(table, row)
    const from = pair.interface * nodeCount + pair.source
    const to = pair.interface * nodeCount + pair.destination
    if (sent[from]! >= maxPairs || received[to]! >= maxPairs) continue
    if (cost.bytes > bytes) break
    bytes -= cost.bytes
    sent[from]!++
    received[to]!++
    chosen.push(row)
  }
  return chosen
}

/** The runs that measure the pairs of these rows: one interface after the other. */
export const runsOfRows = (run: RunSpec, table: CoverageTable, rows: readonly number[]): RunSpec[] =>
  table.interfaces.flatMap((name, index) => {
    const pairs = rows
      .map((row) => pairOfRow(table, row))
      .filter((pair) => pair.interface === index)
      .map((pair) => ({
        source: table.nodes[pair.source]!.name,
        destination: table.nodes[pair.destination]!.name,
      }))
    const runCount = Math.ceil(pairs.length / MAX_PAIRS_OF_A_RUN)
    return Array.from(
      { length: runCount },
      (_, part): RunSpec => ({
        ...run,
        interfaces: [name],
        topology: Topology.fromPartial({
          kind: TopologyKind.TOPOLOGY_KIND_PAIRS,
          pairs: pairs.slice(part * MAX_PAIRS_OF_A_RUN, (part + 1) * MAX_PAIRS_OF_A_RUN),
        }),
      }),
    )
  })
