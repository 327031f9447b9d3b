import type { MetricDefinition } from './definition.ts'

/** Budget for series that do not grow with the number of nodes. Up to 6,000 of them are series of pairs. */
export const SERIES_PER_COLLECTOR = 20_000
/**
 * Budget per node. A GPU host with 8 interfaces has about 170 series, a node with 2 interfaces fewer than 60
 * (test/bench/metrics.bench.ts).
 */
export const SERIES_PER_NODE = 250

/** Labels that contain the name of a node. A series is removed when such a node has left. */
const NODE_LABELS = ['node', 'source', 'destination', 'peer'] as const

type LabelValues = Record<string, string>

/** Limits the total number of series to O(nodes), so that a fault or a bug cannot create more. */
export const createSeriesBudget = (onDropped: (metric: string) => void) => {
  let limit = SERIES_PER_COLLECTOR
  let used = 0
  return {
    used: () => used,
    /** Adapts the limit to the number of nodes. Existing series stay. */
    setNodeCount: (count: number): void => {
      limit = SERIES_PER_COLLECTOR + count * SERIES_PER_NODE
    },
    take: (metric: string, count: number): boolean => {
      if (used + count > limit) {
        onDropped(metric)
        return false
      }
      used += count
      return true
    },
    /** For the budget's own metrics, which always get their series. */
    takeUnconditionally: (count: number): void => {
      used += count
    },
    release: (count: number): void => {
      used -= count
    },
  }
}

export type SeriesBudget = ReturnType<typeof createSeriesBudget>

/** Tracks the series of one metric. prom-client lists its series only asynchronously, but removal needs them at once. */
export const createSeries = (
  { name, labels: names, buckets }: MetricDefinition,
  budget: SeriesBudget,
  { exempt = false }: { exempt?: boolean } = {},
) => {
  const series = new Map<string, LabelValues>()
  // A histogram has one series per bound, and +Inf, the sum and the count.
  const size = buckets ? buckets.length + 3 : 1
  const keyOf = (labels: LabelValues) => names.map((label) => labels[label]).join('\u0000')
  // A metric without labels has its one series from the start.
  if (names.length === 0) {
    budget.takeUnconditionally(size)
    series.set(keyOf({}), {})
  }
  const nodeLabels = NODE_LABELS.filter((label) => names.includes(label))
  /** All nodes are accepted until the fleet is known. */
  let fleet: ReadonlySet<string> | undefined
  const isDeparted = (labels: LabelValues): boolean =>
    fleet !== undefined && nodeLabels.some((label) => labels[label] !== '' && !fleet?.has(labels[label]!))
  const removeWhere = (predicate: (labels: LabelValues) => boolean): LabelValues[] => {
    const removed = [...series.values()].filter(predicate)
    for (const labels of removed) series.delete(keyOf(labels))
    budget.release(removed.length * size)
    return removed
  }
  return {
    /**
     * Adds a series and returns whether it may be set. Refuses a new series beyond the budget, or of a node that has left:
     * a run may end after its node has left.
     */
    admit: (labels: LabelValues): boolean => {
      const key = keyOf(labels)
      if (series.has(key)) return true
      if (isDeparted(labels)) return false
      if (exempt) budget.takeUnconditionally(size)
      else if (!budget.take(name, size)) return false
      series.set(key, labels)
      return true
    },
    /** Returns whether the series existed. */
    remove: (labels: LabelValues): boolean => {
      const existed = series.delete(keyOf(labels))
      if (existed) budget.release(size)
      return existed
    },
    removeWhere,
    /** Removes the series of other nodes and refuses new ones of them. Returns the removed series. */
    retainNodes: (nodes: ReadonlySet<string>): LabelValues[] => {
      fleet = nodes
      return nodeLabels.length === 0 ? [] : removeWhere(isDeparted)
    },
  }
}
