import { createCooperativeYielding } from '../../cooperative-yielding.ts'
import type { MeasuredPath, Paths } from '../../mesh/state/paths.ts'
import type { Metrics } from '../catalogue/metrics.ts'
import { createRackCells, createRackSums } from './racks.ts'

/**
 * Paths of a mesh that have series of their own, two each: 64 nodes with two interfaces, 90 with one. A scrape is then
 * some 1.8 MB larger, which a Prometheus takes every few seconds.
 */
export const MESH_PAIR_BUDGET = 8_192

/** Paths gone over before it is looked whether others are to have their turn. */
const SLICE_PATHS = 200
const SLICE_PAIRS = 50
const WORST_PATHS = 10

type Recent = Paths['recent']
type Path = MeasuredPath['path']
type PairLabels = { source: string; destination: string; interface: string }
type RackSum = { sent: number; received: number; seconds: number }

const labelsOf = ({ source, destination }: Path): PairLabels => ({
  source: source.node,
  destination: destination.node,
  interface: source.interface,
})

/** The few paths that lost most, without sorting all. */
const createWorst = () => {
  const worst: { ratio: number; path: Path }[] = []
  return {
    add: (ratio: number, path: Path): void => {
      if (ratio === 0 || (worst.length === WORST_PATHS && ratio <= worst.at(-1)!.ratio)) return
      const place = worst.findIndex((other) => ratio > other.ratio)
      worst.splice(place < 0 ? worst.length : place, 0, { ratio, path })
      worst.length = Math.min(worst.length, WORST_PATHS)
    },
    all: () => worst.entries(),
  }
}

/** A gauge for each path of a small fleet; of a larger one none, for half a matrix misleads. */
const createPairs = (metrics: Metrics, budget: number) => {
  /** By the number of the path: what is shown, and which look at the mesh showed it last. */
  const shown = new Map<number, { labels: PairLabels; look: number }>()
  let look = 0
  const show = (path: Path, loss: number, median: number | undefined): void => {
    const known = shown.get(path.id) ?? { labels: labelsOf(path), look }
    known.look = look
    shown.set(path.id, known)
    metrics.meshPairLoss.set(known.labels, loss)
    if (median === undefined) metrics.meshPairRtt.remove(known.labels)
    else metrics.meshPairRtt.set(known.labels, median)
  }
  return {
    show: async (paths: readonly Path[], recent: Recent, nowMs: number): Promise<void> => {
      const turns = createCooperativeYielding()
      const over = paths.length > budget
      metrics.pairSeriesDropped.set({ test: 'mesh' }, over ? paths.length : 0)
      look++
      for (const [index, path] of (over ? [] : paths).entries()) {
        if (index % SLICE_PAIRS === 0) await turns.yieldIfDue()
        const { sentCount, receivedCount } = recent.countsOf(path.row, nowMs)
        if (sentCount === 0) continue
        show(path, (sentCount - receivedCount) / sentCount, recent.medianSeconds(path.row, nowMs))
      }
      for (const [id, { labels, look: last }] of shown) {
        if (last === look) continue
        shown.delete(id)
        metrics.meshPairLoss.remove(labels)
        metrics.meshPairRtt.remove(labels)
      }
    },
  }
}

const showWorst = (metrics: Metrics, worst: ReturnType<typeof createWorst>): void => {
  metrics.meshWorstLoss.removeWhere(() => true)
  for (const [index, { ratio, path }] of worst.all())
    metrics.meshWorstLoss.set({ rank: String(index + 1), ...labelsOf(path) }, ratio)
}

const showRacks = (metrics: Metrics, sums: ReturnType<typeof createRackSums<RackSum>>): void => {
  for (const { cell, sum } of sums.all()) {
    metrics.meshRackLoss.set(cell, (sum.sent - sum.received) / sum.sent)
    if (sum.received === 0) metrics.meshRackRtt.remove(cell)
    else metrics.meshRackRtt.set(cell, sum.seconds / sum.received)
  }
  for (const gauge of [metrics.meshRackLoss, metrics.meshRackRtt])
    gauge.removeWhere((cell) => !sums.has(cell))
}

/** Shows the last minute of all paths: each one while they are few, the worst, and from rack to rack. */
export const createMeshPathGauges = (metrics: Metrics, { budget = MESH_PAIR_BUDGET } = {}) => {
  const pairs = createPairs(metrics, budget)
  return async (
    measured: readonly Pick<MeasuredPath, 'path'>[],
    recent: Recent,
    racks: ReadonlyMap<string, string>,
    nowMs: number,
  ): Promise<void> => {
    const turns = createCooperativeYielding()
    const worst = createWorst()
    const sums = createRackSums(createRackCells(racks), (): RackSum => ({ sent: 0, received: 0, seconds: 0 }))
    const probed: Path[] = []
    for (const [index, { path }] of measured.entries()) {
      if (index % SLICE_PATHS === 0) await turns.yieldIfDue()
      if (path.releasedMs === undefined) probed.push(path)
      const { sentCount, receivedCount, meanSeconds } = recent.countsOf(path.row, nowMs)
      if (sentCount === 0) continue
      worst.add((sentCount - receivedCount) / sentCount, path)
      const sum = sums.of(path.source.node, path.destination.node)
      if (!sum) continue
      sum.sent += sentCount
      sum.received += receivedCount
      sum.seconds += (meanSeconds ?? 0) * receivedCount
    }
    showWorst(metrics, worst)
    showRacks(metrics, sums)
    await pairs.show(probed, recent, nowMs)
  }
}
