import type { Run } from '#proto/meshgauge/collector/v1/run.ts'
import { type Schedule, ScheduleState } from '#proto/meshgauge/collector/v1/schedule.ts'
import { OperatingError } from '../../lib/errors.ts'
import { toDuration, toTimestamp } from '../../lib/protobuf-time.ts'
import type { Fleet } from '../inventory/fleet.ts'
import type { MeshController } from '../mesh/mesh-controller.ts'
import { type BookDeps, createBook, type ScheduleObserver } from './book.ts'
import { spentMessage, spentOf } from './budget.ts'
import { type Decision, decide } from './decide.ts'
import type { ScheduleRecord } from './record.ts'
import type { StartDeps } from './start.ts'
import { createStarter } from './starter.ts'
import { type Blackouts, blackoutsOf, type Times, timesOf } from './times.ts'

export type ScheduleDeps = StartDeps &
  BookDeps & {
    meshes: Pick<MeshController, 'set'>
    fleet: Pick<Fleet, 'nodes' | 'refresh' | 'settled'>
  }

/** How soon a wall clock that was set forward is noticed. */
const LONGEST_SLEEP_SECONDS = 15

const timestamp = (moment: number | undefined) =>
  moment === undefined ? undefined : toTimestamp(new Date(moment))

/** A schedule as the API shows it, without its coverage, which takes longer to say. */
const messageOf = (
  record: ScheduleRecord,
  { state, next, now }: { state: ScheduleState; next: number | undefined; now: number },
): Schedule => {
  const { spec, lastStart, lastLatenessSeconds } = record
  return {
    ...record,
    state,
    nextTime: timestamp(next),
    lastStartTime: timestamp(lastStart),
    lastLateness: lastStart === undefined ? undefined : toDuration(lastLatenessSeconds),
    coverage: undefined,
    spent: spec.budget && spentMessage(spec.budget, spentOf(record.spent, spec.budget, now)),
  }
}

/** When a schedule starts next, as far as one can say now. */
const nextOf = (times: Times | undefined, blackouts: Blackouts, record: ScheduleRecord, now: number) => {
  if (!times || record.paused) return undefined
  if (record.held !== undefined) return blackouts.until(now) ?? now
  const planned = times.after(record.considered)
  return planned === undefined ? undefined : times.due(planned)
}

/** Of a schedule that is gone a run may still go on: what comes of it is told to nobody. */
const untilGone = (observer: ScheduleObserver, gone: AbortSignal): ScheduleObserver => ({
  observeStart: (...seen) => gone.aborted || observer.observeStart(...seen),
  observeMissed: (...seen) => gone.aborted || observer.observeMissed(...seen),
  observeSkipped: (...seen) => gone.aborted || observer.observeSkipped(...seen),
  observeTimes: (...seen) => gone.aborted || observer.observeTimes(...seen),
})

/** Resolves when every agent has answered or failed for the first time, or at once when nobody waits any more. */
export const settledOrStopped = (fleet: Pick<Fleet, 'settled'>, signal: AbortSignal): Promise<void> => {
  if (signal.aborted) return Promise.resolve()
  const stopped = Promise.withResolvers<void>()
  signal.addEventListener('abort', () => stopped.resolve(), { once: true })
  return Promise.race([fleet.settled, stopped.promise])
}

/** One schedule, from when it is known until it is closed. */
export const createSchedule = (deps: ScheduleDeps, initial: ScheduleRecord) => {
  const { clock } = deps
  const { spec } = initial
  const { name } = spec
  const times = timesOf(spec, initial.since)
  const blackouts = blackoutsOf(spec.blackouts, spec.timeZone)
  const stop = new AbortController()
  let wake = new AbortController()
  /** When the last planned start was decided, by a clock that is never set. What someone triggers is beside the plan. */
  let decidedAt: number | undefined
  const now = () => clock.now().getTime()
  const observer = untilGone(deps.observer, stop.signal)
  const book = createBook({ ...deps, observer }, initial, () =>
    nextOf(times, blackouts, book.record(), now()),
  )
  const { record, keep } = book
  const starter = createStarter(deps, { spec, times, blackouts, book, signal: stop.signal })
  const sinceDecided = (): number =>
    decidedAt === undefined ? Number.POSITIVE_INFINITY : (clock.monotonicSeconds() - decidedAt) * 1000

  /** Does what was decided; `end` is that of a blackout, if there is one. */
  const act = (decision: Decision & { kind: 'start' }, end: number | undefined) => {
    const { considered } = decision
    const missed = book.missed(decision.missed)
    const words = 'its time came within a blackout'
    decidedAt = clock.monotonicSeconds()
    if (end === undefined) {
      keep({ considered, ...missed })
      starter.startDue(decision.due)
    } else if (decision.madeUp)
      book.skip('blackout', 'a missed start is not made up for in a blackout', { considered, ...missed })
    // It begins when the blackout ends, and is not late then. More of them are one.
    else if (record().held === undefined) keep({ considered, held: end, reason: words, ...missed })
    else book.skip('blackout', words, { considered, held: end, ...missed })
  }

  /** One look at the clock. @returns how many seconds to wait before the next one */
  const step = (): number => {
    if (!times || record().paused) return Number.POSITIVE_INFINITY
    const end = blackouts.until(now())
    const { held } = record()
    const decision = decide(times, record().considered, now(), sinceDecided())
    if (held !== undefined && end === undefined) {
      keep({ held: undefined })
      // A start that is planned for the end of the blackout is that of the blackout too.
      if (decision.kind === 'wait') starter.startDue(held)
    }
    if (decision.kind === 'start') {
      act(decision, end)
      return 0
    }
    const { considered, due = Number.POSITIVE_INFINITY } = decision
    if (considered !== record().considered) keep({ considered, ...book.missed(decision.missed) })
    const next = record().held === undefined ? due : Math.min(end ?? now(), due)
    return Math.max(0, (next - now()) / 1000)
  }

  const live = async () => {
    while (!stop.signal.aborted) {
      // Never without a pause: what a clock does between two looks is not ours to know.
      const pause = Math.min(Math.max(step(), 0.001), LONGEST_SLEEP_SECONDS)
      await clock.sleep(pause, AbortSignal.any([stop.signal, wake.signal])).catch(() => undefined)
    }
  }
  const setMesh = () => {
    if (spec.work?.$case === 'mesh') deps.meshes.set(name, record().paused ? undefined : spec.work.value)
  }
  const stateOf = (): ScheduleState => {
    const { paused, held } = record()
    if (starter.isActive() || (spec.work?.$case === 'mesh' && !paused))
      return ScheduleState.SCHEDULE_STATE_RUNNING
    if (paused) return ScheduleState.SCHEDULE_STATE_PAUSED
    return held === undefined ? ScheduleState.SCHEDULE_STATE_WAITING : ScheduleState.SCHEDULE_STATE_BLACKOUT
  }

  setMesh()
  book.show()
  const living = times ? settledOrStopped(deps.fleet, stop.signal).then(live) : Promise.resolve()

  return {
    spec,
    record,
    message: (): Schedule => {
      const next = nextOf(times, blackouts, record(), now())
      return messageOf(record(), { state: stateOf(), next, now: now() })
    },

    /** @throws OperatingError STORE_UNAVAILABLE; then nothing has changed */
    setPaused(paused: boolean): void {
      if (record().paused === paused) return
      // What was not started while it was paused was not missed.
      const considered = paused ? record().considered : Math.max(record().considered, now())
      book.change({ paused, considered, held: undefined })
      if (paused) starter.halt()
      setMesh()
      book.show()
      wake.abort()
      wake = new AbortController()
    },

    /** @throws OperatingError when nothing could be started, with why */
    async trigger(): Promise<Run> {
      if (spec.work?.$case === 'mesh')
        throw new OperatingError(
          'SPEC_INVALID',
          `${name} keeps a mesh up, which never stops; there is nothing to start`,
        )
      if (starter.isActive())
        throw new OperatingError(
          'SCHEDULE_ACTIVE',
          `the run before of ${name} has not ended; cancel it, or wait`,
        )
      const { run, end, bug } = await starter.startNow()
      if (run) return run
      if (bug !== undefined) throw bug
      const nothing = `nothing of ${name} was started`
      if (!end) throw new OperatingError('COLLECTOR_DRAINING', `${nothing}: it is being closed`)
      if (end.kind !== 'failed') throw new OperatingError('SPEC_INVALID', `${nothing}: ${end.reason}`)
      throw new OperatingError(end.error.reason, `${nothing}: ${end.reason}`, end.error.violations)
    },

    /** Starts nothing more; a run under way ends as it would. A mesh goes on until whoever keeps it is told. */
    async close(): Promise<void> {
      stop.abort()
      await living
      await starter.settled()
    },
  }
}

export type LivingSchedule = ReturnType<typeof createSchedule>
