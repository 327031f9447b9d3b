import type { MetricDefinition } from './catalogue.ts'

/** For what does not grow with nodes: the pairs' own budget makes 6,000 of these. */
export const SERIES_OF_A_COLLECTOR = 20_000
/** With 8 interfaces, as GPU hosts have, a node has some 170; with 2 fewer than 60 (test/bench/metrics.bench.ts). */
export const SERIES_OF_A_NODE = 250

/** Labels that name a node. A series goes when a node that it names has left. */
const NODE_LABELS = ['node', 'source', 'destination', 'peer'] as const

type LabelValues = Record<string, string>

/** How many series there may be in all: O(N), whatever a fault or a mistake would make of them. */
export const createSeriesBudget = (onDropped: (metric: string) => void) => {
  let limit = SERIES_OF_A_COLLECTOR
  let used = 0
  return {
    used: () => used,
    /** The fleet has so many nodes. What is there already stays. */
    allowNodes: (count: number): void => {
      limit = SERIES_OF_A_COLLECTOR + count * SERIES_OF_A_NODE
    },
    take: (metric: string, count: number): boolean => {
      if (used + count > limit) {
        onDropped(metric)
        return false
      }
      used += count
      return true
    },
    /** What the budget says of itself is not subject to it. */
    takeAnyway: (count: number): void => {
      used += count
    },
    give: (count: number): void => {
      used -= count
    },
  }
}

export type SeriesBudget = ReturnType<typeof createSeriesBudget>

/** The series of one metric: prom-client gives its own only asynchronously, and removal needs them at once. */
export const createSeries = (
  { name, labels: names, buckets }: MetricDefinition,
  budget: SeriesBudget,
  { exempt = false }: { exempt?: boolean } = {},
) => {
  const series = new Map<string, LabelValues>()
  // A bucket for each bound and +Inf, the sum and the count.
  const size = buckets ? buckets.length + 3 : 1
  const keyOf = (labels: LabelValues) => names.map((label) => labels[label]).join('\u0000')
  // Without labels a metric has its one series from the beginning.
  if (names.length === 0) {
    budget.takeAnyway(size)
    series.set(keyOf({}), {})
  }
  const nodeLabels = NODE_LABELS.filter((label) => names.includes(label))
  /** All are welcome until the fleet is known. */
  let fleet: ReadonlySet<string> | undefined
  const isDeparted = (labels: LabelValues): boolean =>
    fleet !== undefined && nodeLabels.some((label) => labels[label] !== '' && !fleet?.has(labels[label]!))
  const removeWhere = (predicate: (labels: LabelValues) => boolean): LabelValues[] => {
    const gone = [...series.values()].filter(predicate)
    for (const labels of gone) series.delete(keyOf(labels))
    budget.give(gone.length * size)
    return gone
  }
  return {
    /**
     * Whether there is a series of these labels from now on; not when it would be one too many, nor of a node that has
     * left: what was begun with it, such as a run, may end later.
     */
    admit: (labels: LabelValues): boolean => {
      const key = keyOf(labels)
      if (series.has(key)) return true
      if (isDeparted(labels)) return false
      if (exempt) budget.takeAnyway(size)
      else if (!budget.take(name, size)) return false
      series.set(key, labels)
      return true
    },
    /** Whether it was there. */
    remove: (labels: LabelValues): boolean => {
      const there = series.delete(keyOf(labels))
      if (there) budget.give(size)
      return there
    },
    removeWhere,
    /** Removes what names a node that is not among these, and lets none in from now on. */
    retainNodes: (nodes: ReadonlySet<string>): LabelValues[] => {
      fleet = nodes
      return nodeLabels.length === 0 ? [] : removeWhere(isDeparted)
    },
  }
}
