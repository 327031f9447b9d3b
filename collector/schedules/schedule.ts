import type { Run } from '#proto/meshgauge/collector/v1/run.ts'
import { OverlapPolicy, type Schedule, ScheduleState } from '#proto/meshgauge/collector/v1/schedule.ts'
import { OperatingError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logging.ts'
import { fromDuration, toDuration, toTimestamp } from '../../lib/protobuf-time.ts'
import type { Fleet } from '../inventory/fleet.ts'
import { spend, spentMessage, spentOf } from './budget.ts'
import { decide } from './decide.ts'
import type { MeshKeeper } from './mesh-keeper.ts'
import type { ScheduleRecord } from './record.ts'
import { carryOut, type StartDeps, type StartEnd } from './start.ts'
import { blackoutsOf, timesOf } from './times.ts'

/** What the metrics are told. */
export type ScheduleObserver = {
  observeStart(schedule: string, latenessSeconds: number): void
  observeMissed(schedule: string, count: number): void
  observeSkipped(schedule: string, reason: SkipReason): void
  /** Its standing has changed: when it starts next and when it last succeeded, Unix milliseconds. */
  observeTimes(schedule: string, next: number | undefined, lastSuccess: number | undefined): void
}

export type SkipReason = 'overlap' | 'over_budget' | 'nothing_due' | 'blackout' | 'failed'

export type ScheduleDeps = StartDeps & {
  fleet: Pick<Fleet, 'nodes' | 'refresh' | 'settled'>
  logger: Logger
  meshes: MeshKeeper
  observer: ScheduleObserver
  /** Makes a record durable. @throws OperatingError STORE_UNAVAILABLE */
  save(record: ScheduleRecord): void
}

/** How soon a wall clock that was set forward is noticed. */
const LONGEST_SLEEP_SECONDS = 15

/** A start that comes so much later than planned is counted as late. */
const LATE_SECONDS = 1

/** As Schedule.run_ids says. */
const RUNS_KEPT = 10

/** So many later starts are looked ahead to when pairs are shared among them; rarer ones stand for the others. */
const STARTS_AHEAD = 500

/** A start that is under way: `queued` is when the one that waits for it was due, if one waits. */
type Active = { done: Promise<void>; queued: number | undefined }

/** One schedule, from when it is known until it is closed. */
export const createSchedule = (deps: ScheduleDeps, initial: ScheduleRecord) => {
  const { clock, observer } = deps
  const { spec } = initial
  const { name } = spec
  const times = timesOf(spec, initial.since)
  const blackouts = blackoutsOf(spec.blackouts, spec.timeZone)
  const stop = new AbortController()
  let record = initial
  let wake = new AbortController()
  let active: Active | undefined
  /** When the last planned start was decided, by a clock that is never set. What someone triggers is beside the plan. */
  let decidedAt: number | undefined
  const now = () => clock.now().getTime()

  const nextTime = (): number | undefined => {
    if (!times || record.paused) return undefined
    if (record.held !== undefined) return blackouts.until(now()) ?? now()
    const planned = times.after(record.considered)
    return planned === undefined ? undefined : times.due(planned)
  }
  const show = () => observer.observeTimes(name, nextTime(), record.lastSuccess)

  /** What cannot be stored now is stored with the next change: a schedule does not stop for a full disk. */
  const keep = (change: Partial<ScheduleRecord>) => {
    record = { ...record, ...change }
    try {
      deps.save(record)
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error
      deps.logger.error({ schedule: name, reason: error.message }, 'a schedule could not be stored')
    }
    show()
  }
  const skip = (reason: SkipReason, words: string, change: Partial<ScheduleRecord> = {}) => {
    observer.observeSkipped(name, reason)
    deps.logger.info({ schedule: name, reason: words }, 'a start is left out')
    keep({ ...change, reason: words })
  }

  const sinceStart = (): number =>
    decidedAt === undefined ? Number.POSITIVE_INFINITY : (clock.monotonicSeconds() - decidedAt) * 1000

  const onRun = (run: Run, isFirst: boolean, latenessSeconds: number) => {
    const runIds = [run.id, ...record.runIds].slice(0, RUNS_KEPT)
    if (!isFirst) return keep({ runIds })
    observer.observeStart(name, latenessSeconds)
    keep({
      runIds,
      reason: '',
      lastStart: now(),
      lastLatenessSeconds: latenessSeconds,
      startCount: record.startCount + 1,
      lateCount: record.lateCount + (latenessSeconds > LATE_SECONDS ? 1 : 0),
    })
  }

  const onEnd = (end: StartEnd) => {
    if (end.kind === 'over_budget')
      skip('over_budget', end.reason, { overBudgetCount: record.overBudgetCount + 1 })
    else if (end.kind === 'nothing_due') skip('nothing_due', end.reason)
    else if (end.kind === 'failed') skip('failed', end.reason, { failedCount: record.failedCount + 1 })
    else if (end.kind === 'ended' && end.succeeded) keep({ lastSuccess: now() })
    else keep({ reason: end.reason })
  }

  /** Planned times to come within an objective, Unix seconds. */
  const startsAhead = (within: number): number[] => {
    if (!times) return []
    const until = now() + within * 1000
    const stride = Math.max(0, (within * 1000) / STARTS_AHEAD - times.gap)
    const starts: number[] = []
    for (let planned = times.after(now()); planned !== undefined && planned <= until; ) {
      starts.push(planned / 1000)
      planned = times.after(planned + stride)
    }
    return starts
  }

  /** @returns the end of the whole start; `first` is told its first run, or undefined when there is none. */
  const begin = async (
    due: number,
    triggered: boolean,
    first: (run: Run | undefined, end?: StartEnd) => void,
  ): Promise<void> => {
    const latenessSeconds = Math.max(0, (now() - due) / 1000)
    let isFirst = true
    try {
      const end = await carryOut(deps, spec, {
        triggered,
        spent: spentOf(record.spent, spec.budget, now()),
        since: Math.floor(record.since / 1000),
        starts: startsAhead(fromDuration(spec.everyPairWithin) ?? 0),
        signal: stop.signal,
        onRun: (run) => {
          onRun(run, isFirst, triggered ? 0 : latenessSeconds)
          isFirst = false
          first(run)
        },
        onSpent: (cost) => keep({ spent: [...spend(record.spent, cost, spec.budget, now())] }),
      })
      onEnd(end)
      first(undefined, end)
    } catch (error) {
      first(undefined)
      if (stop.signal.aborted) return
      deps.logger.error({ schedule: name, err: error }, 'a start failed because of a bug')
      keep({ failedCount: record.failedCount + 1, reason: String(error) })
    }
  }

  const start = (
    due: number,
    triggered = false,
  ): Promise<{ run: Run | undefined; end: StartEnd | undefined }> => {
    const { promise, resolve } = Promise.withResolvers<{ run: Run | undefined; end: StartEnd | undefined }>()
    const mine: Active = { done: Promise.resolve(), queued: undefined }
    active = mine
    mine.done = begin(due, triggered, (run, end) => resolve({ run, end })).then(() => {
      active = undefined
      const { queued } = mine
      if (queued !== undefined && !stop.signal.aborted && !record.paused) void start(queued)
    })
    return promise
  }

  const startOrSkip = (due: number) => {
    if (!active) void start(due)
    else if (spec.overlap === OverlapPolicy.OVERLAP_POLICY_QUEUE && active.queued === undefined)
      active.queued = due
    else skip('overlap', 'the run before has not ended', { overlapCount: record.overlapCount + 1 })
  }

  const missed = (count: number): Partial<ScheduleRecord> => {
    if (count === 0) return {}
    observer.observeMissed(name, count)
    deps.logger.warn({ schedule: name, count }, 'starts were missed')
    return { missedCount: record.missedCount + count }
  }

  /** One look at the clock. @returns how many seconds to wait before the next one */
  const step = (): number => {
    if (!times || record.paused) return Number.POSITIVE_INFINITY
    const end = blackouts.until(now())
    if (record.held !== undefined && end === undefined) {
      const ended = record.held
      keep({ held: undefined })
      startOrSkip(ended)
    }
    const decision = decide(times, record.considered, now(), sinceStart())
    const { considered } = decision
    if (decision.kind === 'start') {
      decidedAt = clock.monotonicSeconds()
      if (end === undefined) {
        keep({ considered, ...missed(decision.missed) })
        startOrSkip(decision.due)
      } else if (decision.madeUp) {
        skip('blackout', 'a missed start is not made up for in a blackout', {
          considered,
          ...missed(decision.missed),
        })
      } else if (record.held === undefined) {
        // It begins when the blackout ends, and is not late then.
        keep({ considered, held: end, ...missed(decision.missed), reason: 'its time came within a blackout' })
      } else skip('blackout', 'its time came within a blackout', { considered, held: end })
      return 0
    }
    if (considered !== record.considered) keep({ considered, ...missed(decision.missed) })
    const due =
      record.held === undefined
        ? decision.due
        : Math.min(end ?? now(), decision.due ?? Number.POSITIVE_INFINITY)
    return due === undefined ? Number.POSITIVE_INFINITY : Math.max(0, (due - now()) / 1000)
  }

  const live = async () => {
    while (!stop.signal.aborted) {
      const seconds = step()
      // Never without a pause: what a clock does between two looks is not ours to know.
      const pause = Math.min(Math.max(seconds, 0.001), LONGEST_SLEEP_SECONDS)
      await clock.sleep(pause, AbortSignal.any([stop.signal, wake.signal])).catch(() => undefined)
    }
  }
  const wakeUp = () => {
    wake.abort()
    wake = new AbortController()
  }

  const setMesh = () => {
    if (spec.work?.$case === 'mesh') deps.meshes.set(name, record.paused ? undefined : spec.work.value)
  }
  const stateOf = (): ScheduleState => {
    if (active || (spec.work?.$case === 'mesh' && !record.paused)) return ScheduleState.SCHEDULE_STATE_RUNNING
    if (record.paused) return ScheduleState.SCHEDULE_STATE_PAUSED
    return record.held === undefined
      ? ScheduleState.SCHEDULE_STATE_WAITING
      : ScheduleState.SCHEDULE_STATE_BLACKOUT
  }

  setMesh()
  show()
  const living = times ? deps.fleet.settled.then(live) : Promise.resolve()

  return {
    spec,
    record: () => record,

    /** As it stands, without its coverage, which takes longer to say. */
    message: (): Schedule => {
      const next = nextTime()
      return {
        spec,
        origin: record.origin,
        state: stateOf(),
        reason: record.reason,
        nextTime: next === undefined ? undefined : toTimestamp(new Date(next)),
        lastStartTime: record.lastStart === undefined ? undefined : toTimestamp(new Date(record.lastStart)),
        lastLateness: record.lastStart === undefined ? undefined : toDuration(record.lastLatenessSeconds),
        runIds: record.runIds,
        startCount: record.startCount,
        lateCount: record.lateCount,
        missedCount: record.missedCount,
        overlapCount: record.overlapCount,
        overBudgetCount: record.overBudgetCount,
        failedCount: record.failedCount,
        coverage: undefined,
        spent: spec.budget && spentMessage(spec.budget, spentOf(record.spent, spec.budget, now())),
      }
    },

    /** @throws OperatingError STORE_UNAVAILABLE; then nothing has changed */
    setPaused(paused: boolean): void {
      if (record.paused === paused) return
      // What was not started while it was paused was not missed.
      const considered = paused ? record.considered : Math.max(record.considered, now())
      const next = { ...record, paused, considered, held: undefined }
      deps.save(next)
      record = next
      if (active) active.queued = undefined
      setMesh()
      show()
      wakeUp()
    },

    /** @throws OperatingError when nothing could be started, with why */
    async trigger(): Promise<Run> {
      if (spec.work?.$case === 'mesh')
        throw new OperatingError(
          'SPEC_INVALID',
          `${name} keeps a mesh up, which never stops; there is nothing to start`,
        )
      if (active)
        throw new OperatingError(
          'SCHEDULE_ACTIVE',
          `the run before of ${name} has not ended; cancel it, or wait`,
        )
      const { run, end } = await start(now(), true)
      if (run) return run
      const reason = end?.reason ?? 'the collector is shutting down'
      throw new OperatingError('SPEC_INVALID', `nothing of ${name} was started: ${reason}`)
    },

    /** Starts nothing more and takes down its mesh; a run under way ends as it would. */
    async close(): Promise<void> {
      stop.abort()
      if (spec.work?.$case === 'mesh') deps.meshes.set(name, undefined)
      await living
      await active?.done
    },
  }
}

export type LivingSchedule = ReturnType<typeof createSchedule>
