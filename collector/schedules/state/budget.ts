import type { Budget } from '#proto/meshgauge/collector/v1/schedule.ts'
import { fromDuration, toDuration } from '../../../lib/protobuf-time.ts'
import { DEFAULT_BUDGET_PERIOD_SECONDS } from '../define/effective-schedule-spec.ts'

/** What a start has cost or would cost. */
export type Cost = {
  bytes: number
  /** Time that the busiest interface was busy, in the busier direction. */
  busySeconds: number
}

/** The costs of a budget's period, in slices. `at` is the Unix time in milliseconds at which the slice began. */
export type CostLog = readonly (Cost & { at: number })[]

/** Slices of a budget's period. The costs of one slice expire together. */
const SLICES = 288

const periodMs = (budget: Budget | undefined): number =>
  (fromDuration(budget?.period) ?? DEFAULT_BUDGET_PERIOD_SECONDS) * 1000

/** After the clock was set back, slices in the future would never expire. Those ahead by a whole period do not count. */
const isWithinPeriod = (budget: Budget | undefined, now: number) => {
  const period = periodMs(budget)
  return ({ at }: { at: number }) => at > now - period && at < now + period
}

/** The log with one more cost, without the slices that have expired. */
export const addCost = (log: CostLog, cost: Cost, budget: Budget | undefined, now: number): CostLog => {
  const current = log
    .filter(isWithinPeriod(budget, now))
    .map((slice) => ({ ...slice, at: Math.min(slice.at, now) }))
  const last = current.at(-1)
  if (!last || now - last.at > periodMs(budget) / SLICES) return [...current, { at: now, ...cost }]
  const merged = {
    at: last.at,
    bytes: last.bytes + cost.bytes,
    busySeconds: last.busySeconds + cost.busySeconds,
  }
  return [...current.slice(0, -1), merged]
}

/** The sum of the costs in the period that ends now. */
export const costInPeriod = (log: CostLog, budget: Budget | undefined, now: number): Cost => {
  const current = log.filter(isWithinPeriod(budget, now))
  return {
    bytes: current.reduce((sum, { bytes }) => sum + bytes, 0),
    busySeconds: current.reduce((sum, { busySeconds }) => sum + busySeconds, 0),
  }
}

/** What is left of a budget after a cost; Infinity where the budget has no limit. Negative when it is exceeded. */
export const remainingOf = (budget: Budget | undefined, cost: Cost): Cost => ({
  bytes: (budget?.bytes ?? Number.POSITIVE_INFINITY) - cost.bytes,
  busySeconds: (fromDuration(budget?.busy) ?? Number.POSITIVE_INFINITY) - cost.busySeconds,
})

/** The used part of each limit, 1 for all of it; undefined for a limit that the budget does not have. */
export type BudgetUse = { bytes: number | undefined; busy: number | undefined }

const shareOf = (cost: number, limit: number | undefined): number | undefined =>
  limit === undefined || limit <= 0 ? undefined : cost / limit

export const budgetUseOf = (budget: Budget | undefined, cost: Cost): BudgetUse => ({
  bytes: shareOf(cost.bytes, budget?.bytes),
  busy: shareOf(cost.busySeconds, fromDuration(budget?.busy)),
})

/** A cost as the API shows it: in the form of a budget, with the period in which it arose. */
export const costMessage = (budget: Budget | undefined, cost: Cost): Budget => ({
  bytes: Math.round(cost.bytes),
  busy: toDuration(cost.busySeconds),
  period: toDuration(periodMs(budget) / 1000),
})
