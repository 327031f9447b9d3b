import { type Schedule, ScheduleState } from '#proto/meshgauge/collector/v1/schedule.ts'
import { OperatingError } from '../../lib/errors.ts'
import { toDuration, toTimestamp } from '../../lib/protobuf-time.ts'
import type { Fleet } from '../inventory/fleet.ts'
import type { MeshController } from '../mesh/mesh-controller.ts'
import type { Run } from '../store/run.ts'
import { type Blackouts, createBlackouts } from './define/blackouts.ts'
import { type PlannedTimes, plannedTimesOf } from './define/planned-times.ts'
import { scheduleSpecMessage } from './define/schedule-spec-message.ts'
import type { StartDeps } from './start/execute-start.ts'
import { decideStart, type StartDecision } from './start/start-decision.ts'
import { StartQueue } from './start/start-queue.ts'
import { costInPeriod, costMessage } from './state/budget.ts'
import type { ScheduleRecord } from './state/schedule-record.ts'
import { type ScheduleObserver, StartHistory, type StartHistoryDeps } from './state/start-history.ts'

export type ActiveScheduleDeps = StartDeps &
  StartHistoryDeps & {
    meshes: Pick<MeshController, 'set'>
    fleet: Pick<Fleet, 'nodes' | 'refresh' | 'settled'>
  }

/** A step of the wall clock is noticed within this time. */
const MAX_SLEEP_SECONDS = 15
/** Prevents a loop without a pause, which would block the event loop if the wall clock steps at each look. */
const MIN_SLEEP_SECONDS = 0.001

const BLACKOUT_REASON = 'the planned time is within a blackout'

/** Resolves when every agent has answered or failed once, or when the signal aborts. */
export const waitForFleet = (fleet: Pick<Fleet, 'settled'>, signal: AbortSignal): Promise<void> => {
  if (signal.aborted) return Promise.resolve()
  const aborted = Promise.withResolvers<void>()
  signal.addEventListener('abort', () => aborted.resolve(), { once: true })
  return Promise.race([fleet.settled, aborted.promise])
}

/** A schedule from its creation or load until it is closed: starts its runs at their times, or operates its mesh. */
export class ActiveSchedule {
  readonly #deps: ActiveScheduleDeps
  readonly #times: PlannedTimes | undefined
  readonly #blackouts: Blackouts
  readonly #history: StartHistory
  readonly #queue: StartQueue
  readonly #stop = new AbortController()
  /** Aborted to look at the clock before the next start is due. */
  #wake = new AbortController()
  /** When the last planned start was decided, on the monotonic clock. Triggered starts are not planned. */
  #decidedSeconds = Number.NEGATIVE_INFINITY
  readonly #running: Promise<void>

  constructor(deps: ActiveScheduleDeps, initial: ScheduleRecord) {
    const { spec, since } = initial
    const { signal } = this.#stop
    this.#deps = deps
    this.#times = plannedTimesOf(spec, since)
    this.#blackouts = createBlackouts(spec.blackouts, spec.timeZone)
    const observer = observeUntil(signal, deps.observer)
    this.#history = new StartHistory({ ...deps, observer }, initial, (record) => this.#nextStart(record))
    this.#queue = new StartQueue(deps, {
      spec,
      times: this.#times,
      blackouts: this.#blackouts,
      history: this.#history,
      signal,
    })
    this.#applyMesh()
    this.#history.reportTimes()
    this.#running = this.#times ? waitForFleet(deps.fleet, signal).then(() => this.#run()) : Promise.resolve()
  }

  get record(): ScheduleRecord {
    return this.#history.record
  }

  /** The schedule as the API shows it, without its coverage. */
  message(): Schedule {
    const { record } = this
    const { spec, spent, lastStart, lastLatenessSeconds } = record
    return {
      ...record,
      spec: scheduleSpecMessage(spec),
      state: this.#state(),
      nextTime: timestampOf(this.#nextStart(record)),
      lastStartTime: timestampOf(lastStart),
      lastLateness: lastStart === undefined ? undefined : toDuration(lastLatenessSeconds),
      coverage: undefined,
      spent: spec.budget && costMessage(spec.budget, costInPeriod(spent, spec.budget, this.#now())),
    }
  }

  /** @throws OperatingError STORE_UNAVAILABLE; then nothing has changed */
  setPaused(paused: boolean): void {
    const { record } = this
    if (record.paused === paused) return
    // Planned times during a pause do not count as missed.
    const considered = paused ? record.considered : Math.max(record.considered, this.#now())
    this.#history.updateDurably({ paused, considered, held: undefined })
    if (paused) this.#queue.halt()
    this.#applyMesh()
    this.#history.reportTimes()
    this.#wake.abort()
    this.#wake = new AbortController()
  }

  /** Starts now. Resolves with the first run. @throws OperatingError with the reason when nothing was started */
  async trigger(): Promise<Run> {
    const { name, work } = this.record.spec
    if (work?.kind === 'mesh')
      throw new OperatingError(
        'SPEC_INVALID',
        `schedule ${name} operates a mesh, which always runs; there is nothing to start`,
      )
    if (this.#queue.isActive)
      throw new OperatingError(
        'SCHEDULE_ACTIVE',
        `the previous start of ${name} has not ended; wait for its run, or cancel it`,
      )
    const { run, outcome, bug } = await this.#queue.startNow()
    if (run) return run
    if (bug !== undefined) throw bug
    const problem = `schedule ${name} started nothing`
    if (!outcome) throw new OperatingError('COLLECTOR_DRAINING', `${problem}: the schedule was closed`)
    if (outcome.kind !== 'failed') throw new OperatingError('SPEC_INVALID', `${problem}: ${outcome.reason}`)
    const { error } = outcome
    throw new OperatingError(error.reason, `${problem}: ${outcome.reason}`, error)
  }

  /** Starts nothing more. An active run is not stopped, and a mesh continues until MeshController.set removes it. */
  async close(): Promise<void> {
    this.#stop.abort()
    await this.#running
    await this.#queue.settled()
  }

  #now(): number {
    return this.#deps.clock.now().getTime()
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const pause = Math.min(Math.max(this.#step(), MIN_SLEEP_SECONDS), MAX_SLEEP_SECONDS)
      const signal = AbortSignal.any([this.#stop.signal, this.#wake.signal])
      await this.#deps.clock.sleep(pause, signal).catch(() => undefined)
    }
  }

  /** Starts what is due. Returns the seconds until the next step. */
  #step(): number {
    if (!this.#times || this.record.paused) return Number.POSITIVE_INFINITY
    const sinceStart = (this.#deps.clock.monotonicSeconds() - this.#decidedSeconds) * 1000
    const blackoutEnd = this.#blackouts.endAt(this.#now())
    const { held } = this.record
    const decision = decideStart(this.#times, this.record.considered, this.#now(), sinceStart)
    if (held !== undefined && blackoutEnd === undefined) {
      this.#history.update({ held: undefined })
      // A start that is planned for the end of the blackout replaces the delayed one.
      if (decision.kind === 'wait') this.#queue.startDue(held)
    }
    if (decision.kind === 'start') {
      this.#applyStart(decision, blackoutEnd)
      return 0
    }
    const { considered, due = Number.POSITIVE_INFINITY } = decision
    if (considered !== this.record.considered)
      this.#history.update({ considered, ...this.#history.countMissed(decision.missed) })
    const next = this.record.held === undefined ? due : Math.min(blackoutEnd ?? this.#now(), due)
    return Math.max(0, (next - this.#now()) / 1000)
  }

  /** Starts, or delays the start to the end of a blackout. */
  #applyStart(decision: StartDecision & { kind: 'start' }, blackoutEnd: number | undefined): void {
    const { considered } = decision
    const missed = this.#history.countMissed(decision.missed)
    this.#decidedSeconds = this.#deps.clock.monotonicSeconds()
    if (blackoutEnd === undefined) {
      this.#history.update({ considered, ...missed })
      this.#queue.startDue(decision.due)
    } else if (decision.isCatchUp)
      this.#history.skip('blackout', 'a missed start is not repeated within a blackout', {
        considered,
        ...missed,
      })
    // The delayed start is due at the end of the blackout. Several delayed starts count as one.
    else if (this.record.held === undefined)
      this.#history.update({ considered, held: blackoutEnd, reason: BLACKOUT_REASON, ...missed })
    else this.#history.skip('blackout', BLACKOUT_REASON, { considered, held: blackoutEnd, ...missed })
  }

  #applyMesh(): void {
    const { spec, paused } = this.record
    if (spec.work?.kind === 'mesh') this.#deps.meshes.set(spec.name, paused ? undefined : spec.work.mesh)
  }

  #state(): ScheduleState {
    const { spec, paused, held } = this.record
    if (this.#queue.isActive || (spec.work?.kind === 'mesh' && !paused))
      return ScheduleState.SCHEDULE_STATE_RUNNING
    if (paused) return ScheduleState.SCHEDULE_STATE_PAUSED
    return held === undefined ? ScheduleState.SCHEDULE_STATE_WAITING : ScheduleState.SCHEDULE_STATE_BLACKOUT
  }

  /** When a schedule with this record starts next, Unix milliseconds; undefined for never. */
  #nextStart(record: ScheduleRecord): number | undefined {
    if (!this.#times || record.paused) return undefined
    if (record.held !== undefined) return this.#blackouts.endAt(this.#now()) ?? this.#now()
    const planned = this.#times.after(record.considered)
    return planned === undefined ? undefined : this.#times.dueTime(planned)
  }
}

const timestampOf = (moment: number | undefined) =>
  moment === undefined ? undefined : toTimestamp(new Date(moment))

/** After a schedule is deleted, its active run continues. Its events are not reported any more. */
const observeUntil = (closed: AbortSignal, observer: ScheduleObserver): ScheduleObserver => ({
  observeStart: (...event) => closed.aborted || observer.observeStart(...event),
  observeMissed: (...event) => closed.aborted || observer.observeMissed(...event),
  observeSkipped: (...event) => closed.aborted || observer.observeSkipped(...event),
  observeTimes: (...event) => closed.aborted || observer.observeTimes(...event),
})
