import type { Budget } from '#proto/meshgauge/collector/v1/schedule.ts'
import { fromDuration, toDuration } from '../../lib/protobuf-time.ts'

/** What a start cost or would cost. */
export type Cost = {
  bytes: number
  /** Time in which the busiest interface was busy, in either direction. */
  busySeconds: number
}

/** What was spent, in slices of the sliding time; `at` is the Unix time in milliseconds of the first of its slice. */
export type SpentLog = readonly (Cost & { at: number })[]

export const DEFAULT_PERIOD_SECONDS = 86_400

/** Slices of the sliding time: what is in one is forgotten together. */
const SLICES = 288

const periodOf = (budget: Budget | undefined): number =>
  (fromDuration(budget?.period) ?? DEFAULT_PERIOD_SECONDS) * 1000

/** A clock that was set back must not keep what was spent for ever: what is ahead by a whole period is forgotten. */
const isWithin = (budget: Budget | undefined, now: number) => {
  const period = periodOf(budget)
  return ({ at }: { at: number }) => at > now - period && at < now + period
}

/** The log with a cost added and without what the sliding time has left behind. */
export const spend = (log: SpentLog, cost: Cost, budget: Budget | undefined, now: number): SpentLog => {
  const period = periodOf(budget)
  const kept = log.filter(isWithin(budget, now)).map((entry) => ({ ...entry, at: Math.min(entry.at, now) }))
  const last = kept.at(-1)
  if (!last || now - last.at > period / SLICES) return [...kept, { at: now, ...cost }]
  const merged = {
    at: last.at,
    bytes: last.bytes + cost.bytes,
    busySeconds: last.busySeconds + cost.busySeconds,
  }
  return [...kept.slice(0, -1), merged]
}

export const spentOf = (log: SpentLog, budget: Budget | undefined, now: number): Cost => {
  const current = log.filter(isWithin(budget, now))
  return {
    bytes: current.reduce((sum, { bytes }) => sum + bytes, 0),
    busySeconds: current.reduce((sum, { busySeconds }) => sum + busySeconds, 0),
  }
}

/** What may still be spent; without a bound, infinite. */
export const leftOf = (budget: Budget | undefined, spent: Cost): Cost => ({
  bytes: (budget?.bytes ?? Number.POSITIVE_INFINITY) - spent.bytes,
  busySeconds: (fromDuration(budget?.busy) ?? Number.POSITIVE_INFINITY) - spent.busySeconds,
})

/** Spent of each bound that there is, as a share of it. */
export type Used = { bytes: number | undefined; busy: number | undefined }

const shareOf = (spent: number, bound: number | undefined): number | undefined =>
  bound === undefined || bound <= 0 ? undefined : spent / bound

export const usedOf = (budget: Budget | undefined, spent: Cost): Used => ({
  bytes: shareOf(spent.bytes, budget?.bytes),
  busy: shareOf(spent.busySeconds, fromDuration(budget?.busy)),
})

export const spentMessage = (budget: Budget | undefined, spent: Cost): Budget => ({
  bytes: Math.round(spent.bytes),
  busy: toDuration(spent.busySeconds),
  period: toDuration(periodOf(budget) / 1000),
})
