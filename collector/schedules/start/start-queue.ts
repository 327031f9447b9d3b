import { OverlapPolicy } from '#proto/meshgauge/collector/v1/schedule.ts'
import { fromDuration } from '../../../lib/protobuf-time.ts'
import type { Run } from '../../store/run.ts'
import type { Blackouts } from '../define/blackouts.ts'
import type { PlannedTimes } from '../define/planned-times.ts'
import type { ScheduleSpec } from '../define/schedule-spec.ts'
import { costInPeriod } from '../state/budget.ts'
import type { StartHistory, StartOutcome } from '../state/start-history.ts'
import { executeStart, type StartDeps } from './execute-start.ts'

/** Due pairs are shared among at most this many later starts. Of more frequent starts, some represent the others. */
const MAX_LATER_STARTS = 500

/** The first run of a start, or why it has none, or a bug. */
export type StartResult = { run?: Run; outcome?: StartOutcome; bug?: unknown }

/** The start that is executed now. */
type ActiveStart = {
  done: Promise<void>
  /** When the start that waits for this one was due, Unix milliseconds; undefined when none waits. */
  queuedDue: number | undefined
  /** Whether the schedule was paused since this start began. */
  isHalted: boolean
}

export type StartQueueOptions = {
  spec: ScheduleSpec
  times: PlannedTimes | undefined
  blackouts: Blackouts
  history: StartHistory
  signal: AbortSignal
}

/** The next starts within some seconds, in Unix seconds. Starts within one blackout count as one, at its end. */
const laterStartsOf = (
  times: PlannedTimes | undefined,
  blackouts: Blackouts,
  now: number,
  withinSeconds: number,
): number[] => {
  if (!times) return []
  const until = now + withinSeconds * 1000
  const stride = Math.max(0, (withinSeconds * 1000) / MAX_LATER_STARTS - times.shortestGap)
  const starts: number[] = []
  for (let planned = times.after(now); planned !== undefined && planned <= until; ) {
    const start = (blackouts.endAt(planned) ?? planned) / 1000
    if (start > (starts.at(-1) ?? 0)) starts.push(start)
    planned = times.after(planned + stride)
  }
  return starts
}

/** Executes the starts of one schedule: one at a time, while at most one waits. */
export class StartQueue {
  readonly #deps: StartDeps
  readonly #options: StartQueueOptions
  #active: ActiveStart | undefined

  constructor(deps: StartDeps, options: StartQueueOptions) {
    this.#deps = deps
    this.#options = options
  }

  get isActive(): boolean {
    return this.#active !== undefined
  }

  /** Begins a start that was due at a moment. During another start, it waits or is skipped, as the overlap policy says. */
  startDue(due: number): void {
    const { spec, history } = this.#options
    if (!this.#active) void this.#start(due, false)
    else if (spec.overlap === OverlapPolicy.OVERLAP_POLICY_QUEUE && this.#active.queuedDue === undefined)
      this.#active.queuedDue = due
    else {
      const overlapCount = history.record.overlapCount + 1
      history.skip('overlap', 'the previous start has not ended', { overlapCount })
    }
  }

  /** Begins a start that someone has requested. The queue must not be active. */
  startNow(): Promise<StartResult> {
    return this.#start(this.#now(), true)
  }

  /** Removes the waiting start, and prevents further runs of the active one. */
  halt(): void {
    if (this.#active) Object.assign(this.#active, { queuedDue: undefined, isHalted: true })
  }

  /** Resolves when the active start has ended. */
  async settled(): Promise<void> {
    await this.#active?.done
  }

  #now(): number {
    return this.#deps.clock.now().getTime()
  }

  #start(due: number, isTriggered: boolean): Promise<StartResult> {
    const { promise, resolve } = Promise.withResolvers<StartResult>()
    const active: ActiveStart = { done: Promise.resolve(), queuedDue: undefined, isHalted: false }
    this.#active = active
    active.done = this.#execute(active, due, isTriggered, resolve).then(() => {
      this.#active = undefined
      if (active.queuedDue !== undefined && !this.#options.signal.aborted)
        void this.#start(active.queuedDue, false)
    })
    return promise
  }

  /** @param onResult called one or more times; the first call counts */
  async #execute(
    active: ActiveStart,
    due: number,
    isTriggered: boolean,
    onResult: (result: StartResult) => void,
  ): Promise<void> {
    const { spec, times, blackouts, history, signal } = this.#options
    const latenessSeconds = isTriggered ? 0 : Math.max(0, (this.#now() - due) / 1000)
    let isFirst = true
    const { spent, since } = history.record
    try {
      const outcome = await executeStart(this.#deps, spec, {
        isTriggered,
        spent: costInPeriod(spent, spec.budget, this.#now()),
        since: Math.floor(since / 1000),
        laterStarts: laterStartsOf(times, blackouts, this.#now(), fromDuration(spec.everyPairWithin) ?? 0),
        signal,
        isHalted: () => active.isHalted,
        onRun: (run) => {
          history.recordRun(run, isFirst, latenessSeconds)
          isFirst = false
          onResult({ run })
        },
        onCost: (cost) => history.recordCost(cost),
      })
      history.recordOutcome(outcome)
      onResult({ outcome })
    } catch (error) {
      onResult(signal.aborted ? {} : { bug: error })
      if (!signal.aborted) history.recordBug(error)
    }
  }
}
