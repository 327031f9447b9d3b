import { fromDuration } from '../../../lib/protobuf-time.ts'
import { isEvidence, isMeasured } from '../../dispatch/outcomes.ts'
import type { PairResult } from '../../dispatch/pair-result.ts'
import { pathKey } from '../../inventory/keys.ts'
import type { Run } from '../../store/run.ts'
import type { Metrics } from '../catalogue/metrics.ts'
import { lossOf, throughputOf } from './interface-directions.ts'
import { runLabels } from './label-values.ts'

type PairLabels = { source: string; destination: string; interface: string }

/** Maximum number of pairs that get series, three each. They add about 700 kB to a scrape. */
export const PAIR_BUDGET = 2000

const labelsOf = ({ source, destination }: PairResult): PairLabels => ({
  source: source.node,
  destination: destination.node,
  interface: source.interface,
})

/**
 * Creates the gauges of each pair. A run with more pairs than the budget shows none, because a part of a matrix would
 * mislead. The pairs of smaller runs accumulate; beyond the budget, those measured longest ago are removed.
 */
export const createPairGauges = (metrics: Metrics, budget: number) => {
  const shown = { ping: new Map<string, PairLabels>(), iperf: new Map<string, PairLabels>() }

  const clear = (test: 'ping' | 'iperf', labels: PairLabels) => {
    if (test === 'iperf') metrics.pairThroughput.remove(labels)
    else {
      metrics.pairLoss.remove(labels)
      metrics.pairRtt.remove(labels)
    }
  }

  const show = (test: 'ping' | 'iperf', result: PairResult): void => {
    const labels = labelsOf(result)
    const key = pathKey(labels)
    clear(test, labels)
    shown[test].delete(key)
    const loss = lossOf([result])
    const throughput = throughputOf(result)
    if (loss === undefined && throughput === undefined) return
    shown[test].set(key, labels)
    if (throughput !== undefined) metrics.pairThroughput.set(labels, throughput)
    if (loss !== undefined) metrics.pairLoss.set(labels, loss)
    const p50 =
      isMeasured(result) && result.values?.kind === 'ping' ? fromDuration(result.values.rtt?.p50) : undefined
    if (p50 !== undefined) metrics.pairRtt.set(labels, p50)
  }

  const trim = (test: 'ping' | 'iperf', most: number): void => {
    for (const [key, labels] of shown[test]) {
      if (shown[test].size <= most) return
      shown[test].delete(key)
      clear(test, labels)
    }
  }

  return {
    show: (run: Run, results: readonly PairResult[]): void => {
      const test = run.spec.test.kind
      const pairCount = Math.max(run.plan.pairCount, results.length)
      const over = pairCount > budget
      metrics.pairSeriesDropped.set({ test: runLabels(run).test }, over ? pairCount : 0)
      // A pair that was not tried keeps the value of its last run.
      if (!over) for (const result of results.filter(isEvidence)) show(test, result)
      trim(test, over ? 0 : budget)
    },
    /** Removes the pairs of nodes that have left. */
    retainNodes: (names: ReadonlySet<string>): void => {
      for (const test of ['ping', 'iperf'] as const) {
        for (const [key, labels] of shown[test]) {
          if (names.has(labels.source) && names.has(labels.destination)) continue
          shown[test].delete(key)
          clear(test, labels)
        }
      }
    },
  }
}
