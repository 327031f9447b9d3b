import { createCooperativeYielding } from '../../cooperative-yielding.ts'
import type { MeasuredPath, Paths } from '../../mesh/state/paths.ts'
import type { Metrics } from '../catalogue/metrics.ts'
import { createRackCells, createRackSums } from './rack-gauges.ts'

/**
 * Maximum number of mesh paths that get two series each: a full mesh of 64 nodes with two interfaces, or of 90 with one.
 * They add about 1.8 MB to a scrape.
 */
export const MESH_PAIR_BUDGET = 8_192

/** Paths processed between two checks whether to yield. */
const SLICE_PATHS = 200
/** As SLICE_PATHS, for paths whose series are set. */
const SLICE_SERIES = 50
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

/** Collects the paths with the highest loss without sorting all. */
const createWorstPaths = () => {
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

/** Gauges of each path. With more paths than the budget there are none, because a part of a matrix would mislead. */
const createSinglePathGauges = (metrics: Metrics, budget: number) => {
  /** By path id: the labels, and the last update that set the gauges. */
  const shown = new Map<number, { labels: PairLabels; update: number }>()
  let update = 0
  const show = (path: Path, loss: number, median: number | undefined): void => {
    const known = shown.get(path.id) ?? { labels: labelsOf(path), update }
    known.update = update
    shown.set(path.id, known)
    metrics.meshPairLoss.set(known.labels, loss)
    if (median === undefined) metrics.meshPairRtt.remove(known.labels)
    else metrics.meshPairRtt.set(known.labels, median)
  }
  return {
    show: async (paths: readonly Path[], recent: Recent, nowMs: number): Promise<void> => {
      const yielding = createCooperativeYielding()
      const over = paths.length > budget
      metrics.pairSeriesDropped.set({ test: 'mesh' }, over ? paths.length : 0)
      update++
      for (const [index, path] of (over ? [] : paths).entries()) {
        if (index % SLICE_SERIES === 0) await yielding.yieldIfDue()
        const { sentCount, receivedCount } = recent.countsOf(path.row, nowMs)
        if (sentCount === 0) continue
        show(path, (sentCount - receivedCount) / sentCount, recent.medianSeconds(path.row, nowMs))
      }
      for (const [id, { labels, update: last }] of shown) {
        if (last === update) continue
        shown.delete(id)
        metrics.meshPairLoss.remove(labels)
        metrics.meshPairRtt.remove(labels)
      }
    },
  }
}

const showWorst = (metrics: Metrics, worst: ReturnType<typeof createWorstPaths>): void => {
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

/** Sets the gauges of the last minute: of each path within the budget, of the worst paths, and of pairs of racks. */
export const createMeshPathGauges = (metrics: Metrics, { budget = MESH_PAIR_BUDGET } = {}) => {
  const singlePaths = createSinglePathGauges(metrics, budget)
  return async (
    measured: readonly Pick<MeasuredPath, 'path'>[],
    recent: Recent,
    racks: ReadonlyMap<string, string>,
    nowMs: number,
  ): Promise<void> => {
    const yielding = createCooperativeYielding()
    const worst = createWorstPaths()
    const sums = createRackSums(createRackCells(racks), (): RackSum => ({ sent: 0, received: 0, seconds: 0 }))
    const probed: Path[] = []
    for (const [index, { path }] of measured.entries()) {
      if (index % SLICE_PATHS === 0) await yielding.yieldIfDue()
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
    await singlePaths.show(probed, recent, nowMs)
  }
}
