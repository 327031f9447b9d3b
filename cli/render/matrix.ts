/** Pairs as a table: rows send, columns receive. What a cell is worth is decided here, how it looks in matrix-text. */

import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { Endpoint, EndpointPair, PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import { median } from '../../lib/statistics.ts'
import { byName } from './figures.ts'

/** What a matrix shows, in base units: bit/s, a ratio, or seconds. */
export type MatrixMeasure = 'throughput' | 'loss' | 'rtt-p50' | 'rtt-p99'

/** `odd` stands out from the rest; `bad` is what a verdict rests on, or far off. */
type CellGrade = 'good' | 'odd' | 'bad'

export type Cell =
  | { kind: 'value'; value: number; grade: CellGrade }
  /** Nothing trustworthy was measured. Never a value of 0. */
  | { kind: 'failed'; outcome: Outcome; reason: string }

export type Matrix = {
  interface: string
  measure: MatrixMeasure
  sources: string[]
  destinations: string[]
  /** One row for each source, one cell for each destination; undefined where the run has no such pair. */
  rows: (Cell | undefined)[][]
  /** Of the measured values, in base units. */
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

/** Below this a round trip is fast whatever its peers do; local jitter alone makes threefold differences. */
const RTT_FLOOR_SECONDS = 0.001

/** Grades a value against the median of the matrix. A verdict of the collector goes before this. */
export const gradeOf = (value: number, middle: number | undefined, measure: MatrixMeasure): CellGrade => {
  if (measure === 'loss') return value === 0 ? 'good' : value < 0.01 ? 'odd' : 'bad'
  if (middle === undefined || middle === 0) return 'good'
  if (measure === 'throughput') return value >= 0.8 * middle ? 'good' : value >= 0.5 * middle ? 'odd' : 'bad'
  if (value < RTT_FLOOR_SECONDS) return 'good'
  return value <= 3 * middle ? 'good' : value <= 10 * middle ? 'odd' : 'bad'
}

const nodesOf = (pairs: readonly PairResult[], end: 'source' | 'destination'): string[] =>
  [...new Set(pairs.map((pair) => pair[end]?.node ?? ''))].sort(byName)

/** The names of the interfaces that were measured, in order. */
export const interfacesOf = (pairs: readonly PairResult[]): string[] =>
  [...new Set(pairs.map((pair) => pair.source?.interface ?? ''))].sort(byName)

export const buildMatrix = (
  all: readonly PairResult[],
  interfaceName: string,
  measure: MatrixMeasure,
  blamed: readonly EndpointPair[],
): Matrix => {
  const pairs = all.filter((pair) => (pair.source?.interface ?? '') === interfaceName)
  const blamedKeys = new Set(blamed.map(({ source, destination }) => keyOf(source, destination)))
  const values = pairs
    .filter((pair) => pair.outcome === Outcome.OUTCOME_MEASURED)
    .map((pair) => measuredValue(pair, measure))
    .filter((value) => value !== undefined)
  const middle = median(values)
  const toCell = (pair: PairResult): Cell => {
    const value = pair.outcome === Outcome.OUTCOME_MEASURED ? measuredValue(pair, measure) : undefined
    if (value === undefined) return { kind: 'failed', outcome: pair.outcome, reason: pair.reason }
    const isBlamed = blamedKeys.has(keyOf(pair.source, pair.destination))
    return { kind: 'value', value, grade: isBlamed ? 'bad' : gradeOf(value, middle, measure) }
  }
  const cells = new Map(pairs.map((pair) => [keyOf(pair.source, pair.destination), toCell(pair)]))
  const sources = nodesOf(pairs, 'source')
  const destinations = nodesOf(pairs, 'destination')
  return {
    interface: interfaceName,
    measure,
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
