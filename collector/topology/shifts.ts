import { TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { createRandom, shuffle } from './random.ts'
import { checkNodes, shiftPairs, type Topology } from './topology.ts'

/** With one retest, 7 shifts find one-way faults with precision and recall above 0.99 (diagnosis/simulation.test.ts). */
const DEFAULT_SHIFT_COUNT = 7

/** The number of shifts that are used when none is given. A small fleet has fewer than the default. */
export const defaultShiftCount = (nodeCount: number): number =>
  Math.max(0, Math.min(DEFAULT_SHIFT_COUNT, nodeCount - 1))

/** k shifts need k rounds, for any size of the fleet. */
export const shifts: Topology = {
  name: 'shifts',
  description: 'Each node sends to k others, at k random distances in the list of nodes.',
  kind: TopologyKind.TOPOLOGY_KIND_SHIFTS,
  uses: ['nodes', 'shiftCount', 'seed'],
  requires: {},
  check: ({ nodes, shiftCount = 0 }) => {
    const violations = checkNodes(nodes)
    const most = nodes.length - 1
    if (!Number.isInteger(shiftCount) || shiftCount < 0) {
      violations.push({ field: 'shift_count', description: `${shiftCount} is not a whole number from 0` })
    } else if (nodes.length >= 2 && shiftCount > most) {
      violations.push({
        field: 'shift_count',
        description: `${nodes.length} nodes have only ${most} shifts, not ${shiftCount}`,
      })
    }
    return violations
  },
  pairs: ({ nodes, shiftCount, seed }) => {
    const all = Array.from({ length: nodes.length - 1 }, (_, index) => index + 1)
    shuffle(all, createRandom(seed ?? 0))
    return shiftPairs(nodes.length, all.slice(0, shiftCount || defaultShiftCount(nodes.length)))
  },
}
