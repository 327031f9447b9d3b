/** The matrix of pairs: rows send, columns receive. The collector marks bad pairs. matrix-text.ts renders it. */

import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { type Endpoint, PairMark, type PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import { median } from '../../lib/statistics.ts'
import { compareNames } from './figures.ts'

/** The measure that a matrix shows, in base units: bit/s, a ratio, or seconds. */
export type MatrixMeasure = 'throughput' | 'loss' | 'rtt-p50' | 'rtt-p99'

export type Cell =
  | { kind: 'value'; value: number; isMarked: boolean }
  /** There is no valid measurement. Never shown as 0. */
  | { kind: 'failed'; outcome: Outcome; reason: string }

export type Matrix = {
  interface: string
  measure: MatrixMeasure
  /** The time that a loss ratio covers, such as `in the test`. */
  timeText: string
  sources: string[]
  destinations: string[]
  /** One row per source, one cell per destination. Undefined if the run has no such pair. */
  rows: (Cell | undefined)[][]
  /** Median of the measured values, in base units. */
  median: number | undefined
}

const keyOf = (source: Endpoint | undefined, destination: Endpoint | undefined): string =>
  `${source?.node}\0${source?.interface}\0${destination?.node}`

const measuredValue = (pair: PairResult, measure: MatrixMeasure): number | undefined => {
  if (pair.values?.$case === 'iperf' && measure === 'throughput') return pair.values.value.bitsPerSecond
  if (measure === 'loss') return pair.values?.$case === 'ping' ? pair.values.value.lossRatio : undefined
  const rtt = pair.values?.$case === 'ping' ? pair.values.value.rtt : pair.values?.value.transactions
  const duration = measure === 'rtt-p50' ? rtt?.p50 : measure === 'rtt-p99' ? rtt?.p99 : undefined
  return duration && duration.seconds + duration.nanos / 1e9
}

export const isMarked = ({ mark }: { readonly mark: PairMark }): boolean => mark === PairMark.PAIR_MARK_BAD

const nodesOf = (pairs: readonly PairResult[], end: 'source' | 'destination'): string[] =>
  [...new Set(pairs.map((pair) => pair[end]?.node ?? ''))].sort(compareNames)

/** The sorted names of the measured interfaces. */
export const interfacesOf = (pairs: readonly PairResult[]): string[] =>
  [...new Set(pairs.map((pair) => pair.source?.interface ?? ''))].sort(compareNames)

export const buildMatrix = (
  all: readonly PairResult[],
  interfaceName: string,
  measure: MatrixMeasure,
): Matrix => {
  const pairs = all.filter((pair) => (pair.source?.interface ?? '') === interfaceName)
  const values = pairs
    .filter((pair) => pair.outcome === Outcome.OUTCOME_MEASURED)
    .map((pair) => measuredValue(pair, measure))
    .filter((value) => value !== undefined)
  const middle = median(values)
  const toCell = (pair: PairResult): Cell => {
    const value = pair.outcome === Outcome.OUTCOME_MEASURED ? measuredValue(pair, measure) : undefined
    if (value === undefined) return { kind: 'failed', outcome: pair.outcome, reason: pair.reason }
    return { kind: 'value', value, isMarked: isMarked(pair) }
  }
  const cells = new Map(pairs.map((pair) => [keyOf(pair.source, pair.destination), toCell(pair)]))
  const sources = nodesOf(pairs, 'source')
  const destinations = nodesOf(pairs, 'destination')
  return {
    interface: interfaceName,
    measure,
    timeText: 'in the test',
    sources,
    destinations,
    rows: sources.map((node) =>
      destinations.map((peer) =>
        cells.get(
          keyOf({ node, interface: interfaceName, address: '' }, { node: peer, interface: '', address: '' }),
        ),
      ),
    ),
    median: middle,
  }
}
