import type { Clock } from '../../../lib/clock.ts'
import { OperatingError } from '../../../lib/errors.ts'
import type { Logger } from '../../../lib/logging.ts'
import type { Run } from '../../store/run.ts'
import { addCost, type Cost } from './budget.ts'
import type { ScheduleRecord } from './schedule-record.ts'

/** Why a start did not take place. */
export type SkipReason = 'overlap' | 'over_budget' | 'nothing_due' | 'blackout' | 'failed'

/** How a start ended. `reason` is for people, and is empty for a start that succeeded. */
export type StartOutcome =
  | { kind: 'over_budget' | 'nothing_due'; reason: string }
  | { kind: 'failed'; reason: string; error: OperatingError }
  | { kind: 'ended'; succeeded: boolean; reason: string }

/** Receives the events of schedules, for the metrics. */
export type ScheduleObserver = {
  observeStart(schedule: string, latenessSeconds: number): void
  observeMissed(schedule: string, count: number): void
  observeSkipped(schedule: string, reason: SkipReason): void
  /** The next start or the last success has changed. Both are Unix milliseconds. */
  observeTimes(schedule: string, next: number | undefined, lastSuccess: number | undefined): void
}

export type StartHistoryDeps = {
  clock: Pick<Clock, 'now'>
  logger: Logger
  observer: ScheduleObserver
  /** Stores a record. @throws OperatingError STORE_UNAVAILABLE */
  save(record: ScheduleRecord): void
}

/** A start that is later than planned by more than this counts as late. */
const LATE_SECONDS = 1

/** As the comment of Schedule.run_ids promises. */
const MAX_RUN_IDS = 10

/** The record of one schedule. Counts its starts, stores each change and reports it to the observer. */
export class StartHistory {
  readonly #deps: StartHistoryDeps
  readonly #nextTime: (record: ScheduleRecord) => number | undefined
  #record: ScheduleRecord

  /** @param nextTime when a schedule with this record starts next, Unix milliseconds; undefined for never */
  constructor(
    deps: StartHistoryDeps,
    initial: ScheduleRecord,
    nextTime: (record: ScheduleRecord) => number | undefined,
  ) {
    this.#deps = deps
    this.#record = initial
    this.#nextTime = nextTime
  }

  get record(): ScheduleRecord {
    return this.#record
  }

  get #name(): string {
    return this.#record.spec.name
  }

  #now(): number {
    return this.#deps.clock.now().getTime()
  }

  reportTimes(): void {
    this.#deps.observer.observeTimes(this.#name, this.#nextTime(this.#record), this.#record.lastSuccess)
  }

  /** Changes the record. While the store fails, the schedule continues, and the next change stores this one too. */
  update(change: Partial<ScheduleRecord>): void {
    this.#record = { ...this.#record, ...change }
    try {
      this.#deps.save(this.#record)
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error
      this.#deps.logger.error(
        { schedule: this.#name, reason: error.message },
        'a schedule could not be stored',
      )
    }
    this.reportTimes()
  }

  /** Changes the record only if it can be stored. @throws OperatingError STORE_UNAVAILABLE; then nothing has changed */
  updateDurably(change: Partial<ScheduleRecord>): void {
    const next = { ...this.#record, ...change }
    this.#deps.save(next)
    this.#record = next
  }

  /** Records that a start does not take place. */
  skip(reason: SkipReason, text: string, change: Partial<ScheduleRecord> = {}): void {
    this.#deps.observer.observeSkipped(this.#name, reason)
    this.#deps.logger.info({ schedule: this.#name, reason: text }, 'a start is skipped')
    this.update({ ...change, reason: text })
  }

  /** Reports missed starts. Returns the change of the record, which the caller passes to `update` or `skip`. */
  countMissed(count: number): Partial<ScheduleRecord> {
    if (count === 0) return {}
    this.#deps.observer.observeMissed(this.#name, count)
    this.#deps.logger.warn({ schedule: this.#name, count }, 'starts were missed')
    return { missedCount: this.#record.missedCount + count }
  }

  /** Records a run of a start. A start counts when its first run is created. */
  recordRun(run: Run, isFirst: boolean, latenessSeconds: number): void {
    const runIds = [run.id, ...this.#record.runIds].slice(0, MAX_RUN_IDS)
    if (!isFirst) {
      this.update({ runIds })
      return
    }
    this.#deps.observer.observeStart(this.#name, latenessSeconds)
    this.update({
      runIds,
      reason: '',
      lastStart: this.#now(),
      lastLatenessSeconds: latenessSeconds,
      startCount: this.#record.startCount + 1,
      lateCount: this.#record.lateCount + (latenessSeconds > LATE_SECONDS ? 1 : 0),
    })
  }

  recordCost(cost: Cost): void {
    const { spent, spec } = this.#record
    this.update({ spent: [...addCost(spent, cost, spec.budget, this.#now())] })
  }

  recordOutcome(outcome: StartOutcome): void {
    const { overBudgetCount, failedCount } = this.#record
    if (outcome.kind === 'ended')
      this.update(outcome.succeeded ? { lastSuccess: this.#now() } : { reason: outcome.reason })
    else if (outcome.kind === 'over_budget')
      this.skip('over_budget', outcome.reason, { overBudgetCount: overBudgetCount + 1 })
    else if (outcome.kind === 'failed') this.skip('failed', outcome.reason, { failedCount: failedCount + 1 })
    else this.skip('nothing_due', outcome.reason)
  }

  recordBug(error: unknown): void {
    this.#deps.logger.error({ schedule: this.#name, err: error }, 'a start failed because of a bug')
    this.skip('failed', String(error), { failedCount: this.#record.failedCount + 1 })
  }
}
