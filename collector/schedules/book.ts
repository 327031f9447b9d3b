import type { Run } from '#proto/meshgauge/collector/v1/run.ts'
import type { Clock } from '../../lib/clock.ts'
import { OperatingError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logging.ts'
import { type Cost, spend } from './budget.ts'
import type { ScheduleRecord } from './record.ts'
import type { StartEnd } from './start.ts'

export type SkipReason = 'overlap' | 'over_budget' | 'nothing_due' | 'blackout' | 'failed'

/** What the metrics are told. */
export type ScheduleObserver = {
  observeStart(schedule: string, latenessSeconds: number): void
  observeMissed(schedule: string, count: number): void
  observeSkipped(schedule: string, reason: SkipReason): void
  /** Its standing has changed: when it starts next and when it last succeeded, Unix milliseconds. */
  observeTimes(schedule: string, next: number | undefined, lastSuccess: number | undefined): void
}

export type BookDeps = {
  clock: Clock
  logger: Logger
  observer: ScheduleObserver
  /** Makes a record durable. @throws OperatingError STORE_UNAVAILABLE */
  save(record: ScheduleRecord): void
}

/** A start that comes so much later than planned is counted as late. */
const LATE_SECONDS = 1

/** As Schedule.run_ids says. */
const RUNS_KEPT = 10

/** What is known of one schedule: kept durable, counted, and told. */
export const createBook = (
  { clock, logger, observer, save }: BookDeps,
  initial: ScheduleRecord,
  nextTime: () => number | undefined,
) => {
  const { spec } = initial
  const { name } = spec
  const now = () => clock.now().getTime()
  let record = initial
  const show = () => observer.observeTimes(name, nextTime(), record.lastSuccess)

  /** What cannot be stored now is stored with the next change: a schedule does not stop for a full disk. */
  const keep = (change: Partial<ScheduleRecord>): void => {
    record = { ...record, ...change }
    try {
      save(record)
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error
      logger.error({ schedule: name, reason: error.message }, 'a schedule could not be stored')
    }
    show()
  }
  const skip = (reason: SkipReason, words: string, change: Partial<ScheduleRecord> = {}): void => {
    observer.observeSkipped(name, reason)
    logger.info({ schedule: name, reason: words }, 'a start is left out')
    keep({ ...change, reason: words })
  }

  return {
    record: () => record,
    show,
    keep,
    skip,

    /** @throws OperatingError STORE_UNAVAILABLE; then nothing has changed */
    change(change: Partial<ScheduleRecord>): void {
      const next = { ...record, ...change }
      save(next)
      record = next
    },

    /** Counts starts that were missed. @returns what is different now, to be kept */
    missed(count: number): Partial<ScheduleRecord> {
      if (count === 0) return {}
      observer.observeMissed(name, count)
      logger.warn({ schedule: name, count }, 'starts were missed')
      return { missedCount: record.missedCount + count }
    },

    /** The first run of a start makes it a start. */
    onRun(run: Run, isFirst: boolean, latenessSeconds: number): void {
      const runIds = [run.id, ...record.runIds].slice(0, RUNS_KEPT)
      if (!isFirst) {
        keep({ runIds })
        return
      }
      observer.observeStart(name, latenessSeconds)
      keep({
        runIds,
        reason: '',
        lastStart: now(),
        lastLatenessSeconds: latenessSeconds,
        startCount: record.startCount + 1,
        lateCount: record.lateCount + (latenessSeconds > LATE_SECONDS ? 1 : 0),
      })
    },

    onSpent(cost: Cost): void {
      keep({ spent: [...spend(record.spent, cost, spec.budget, now())] })
    },

    onEnd(end: StartEnd): void {
      if (end.kind === 'ended') keep(end.succeeded ? { lastSuccess: now() } : { reason: end.reason })
      else if (end.kind === 'over_budget')
        skip('over_budget', end.reason, { overBudgetCount: record.overBudgetCount + 1 })
      else if (end.kind === 'failed') skip('failed', end.reason, { failedCount: record.failedCount + 1 })
      else skip('nothing_due', end.reason)
    },

    onBug(error: unknown): void {
      logger.error({ schedule: name, err: error }, 'a start failed because of a bug')
      skip('failed', String(error), { failedCount: record.failedCount + 1 })
    },
  }
}

export type Book = ReturnType<typeof createBook>
