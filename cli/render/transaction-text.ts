/** The figures of transactions (request and response) in one line. */

import type { PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import { fromDuration } from '../../lib/protobuf-time.ts'
import { median } from '../../lib/statistics.ts'
import { formatCount } from '../../lib/units.ts'
import { formatIn, unitFor } from './matrix-text.ts'

const transactionsOf = (pairs: readonly PairResult[]) =>
  pairs.flatMap(({ values }) => (values?.$case === 'iperf' ? (values.value.transactions ?? []) : []))

export const hasTransactions = (pairs: readonly PairResult[]): boolean => transactionsOf(pairs).length > 0

/** Percentiles of different pairs are not averaged: shows the median of the medians, and the p99 of the worst pair. */
export const transactionFigures = (pairs: readonly PairResult[]): string | undefined => {
  const all = transactionsOf(pairs)
  if (all.length === 0) return undefined
  const rates = all.map(({ perSecond }) => perSecond)
  const times = (pick: (one: (typeof all)[number]) => number | undefined) =>
    all.map(pick).filter((value) => value !== undefined)
  const middle = median(times(({ p50 }) => fromDuration(p50)))
  const unit = unitFor('rtt-p50', middle)
  const worst = (values: readonly number[]) => (values.length > 0 ? formatIn(unit, Math.max(...values)) : '-')
  const rate = (value: number) => formatCount(Math.round(value))
  const mean = rates.reduce((sum, value) => sum + value, 0) / rates.length
  return (
    `transactions/s min ${rate(Math.min(...rates))}   mean ${rate(mean)}   max ${rate(Math.max(...rates))}   ` +
    `median ${middle === undefined ? '-' : formatIn(unit, middle)}   ` +
    `worst pair's p99 ${worst(times(({ p99 }) => fromDuration(p99)))}   ` +
    `max ${worst(times(({ max }) => fromDuration(max)))} ${unit.name}`
  )
}
