import { median } from '../../../lib/statistics.ts'
import type { PairResult } from '../../dispatch/pair-result.ts'
import type { FleetNode } from '../../inventory/node.ts'
import type { Metrics } from '../catalogue/metrics.ts'
import { throughputOf } from './interface-directions.ts'

export type RackCell = { source_rack: string; destination_rack: string }

/** Destination labels when there are too many racks for a full matrix. No rack can have these names. */
export const SAME_RACK = '(same rack)'
export const OTHER_RACKS = '(other racks)'

/** Up to this number of racks there is always a full matrix; beyond, only while it has no more cells than nodes. */
const FULL_MATRIX_RACKS = 20

/**
 * Returns a function that maps a pair of nodes to its cell of the rack matrix; undefined when a rack is unknown. The
 * matrix has all pairs of racks while that is O(nodes), otherwise two cells per rack.
 */
export const createRackCells = (racks: ReadonlyMap<string, string>) => {
  const count = new Set(racks.values()).size
  const isFull = count <= FULL_MATRIX_RACKS || count * count <= racks.size
  return (source: string, destination: string): RackCell | undefined => {
    const [from, to] = [racks.get(source), racks.get(destination)]
    if (!from || !to) return undefined
    if (isFull) return { source_rack: from, destination_rack: to }
    return { source_rack: from, destination_rack: from === to ? SAME_RACK : OTHER_RACKS }
  }
}

/** Unlike names of nodes, names of racks may contain spaces, so the separator is a NUL. */
const keyOf = ({ source_rack, destination_rack }: RackCell): string =>
  `${source_rack}\u0000${destination_rack}`

/** Collects a value per cell. `begin` creates the value of a new cell. */
export const createRackSums = <T>(cellOf: ReturnType<typeof createRackCells>, begin: () => T) => {
  const sums = new Map<string, { cell: RackCell; sum: T }>()
  return {
    of: (source: string, destination: string): T | undefined => {
      const cell = cellOf(source, destination)
      if (!cell) return undefined
      const key = keyOf(cell)
      const known = sums.get(key) ?? { cell, sum: begin() }
      sums.set(key, known)
      return known.sum
    },
    has: (cell: RackCell): boolean => sums.has(keyOf(cell)),
    all: (): Iterable<{ cell: RackCell; sum: T }> => sums.values(),
  }
}

/** Sets the rack of each node, and the throughput of runs from rack to rack. */
export const createRackThroughput = (metrics: Pick<Metrics, 'nodeInfo' | 'rackThroughput'>) => {
  let racks: ReadonlyMap<string, string> = new Map()
  let known = new Map<string, string>()
  return {
    /** Sets all nodes of the inventory. The series of racks without nodes are removed. */
    setNodes: (nodes: readonly FleetNode[]): void => {
      const now = new Map(nodes.map(({ name, rack }) => [name, rack]))
      for (const [node, rack] of known) if (now.get(node) !== rack) metrics.nodeInfo.remove({ node, rack })
      for (const [node, rack] of now) metrics.nodeInfo.set({ node, rack }, 1)
      known = now
      racks = new Map([...now].filter(([, rack]) => rack !== ''))
      const cellOf = createRackCells(racks)
      const cells = createRackSums(cellOf, () => undefined)
      const one = new Map([...racks].map(([node, rack]) => [rack, node]))
      for (const source of one.values()) for (const other of one.values()) cells.of(source, other)
      metrics.rackThroughput.removeWhere((cell) => !cells.has(cell))
    },
    show: (results: readonly PairResult[]): void => {
      const sums = createRackSums(createRackCells(racks), (): number[] => [])
      for (const result of results) {
        const value = throughputOf(result)
        if (value === undefined) continue
        sums.of(result.source.node, result.destination.node)?.push(value)
      }
      for (const { cell, sum } of sums.all()) metrics.rackThroughput.set(cell, median(sum)!)
    },
  }
}
