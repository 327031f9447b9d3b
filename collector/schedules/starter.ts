import type { Run } from '#proto/meshgauge/collector/v1/run.ts'
import { OverlapPolicy, type ScheduleSpec } from '#proto/meshgauge/collector/v1/schedule.ts'
import { fromDuration } from '../../lib/protobuf-time.ts'
import type { Book } from './book.ts'
import { spentOf } from './budget.ts'
import { carryOut, type StartDeps, type StartEnd } from './start.ts'
import type { Blackouts, Times } from './times.ts'

/** So many later starts are looked ahead to when pairs are shared among them; rarer ones stand for the others. */
const STARTS_AHEAD = 500

/** The first run of a start; without one, why there is none, or the bug. */
export type Started = { run?: Run; end?: StartEnd; bug?: unknown }

/**
 * A start that is under way. `queued` is when the one that waits for it was due, if one waits; `halted` when the
 * schedule was paused meanwhile.
 */
type Active = { done: Promise<void>; queued: number | undefined; halted: boolean }

/** Starts to come within so many seconds, in Unix seconds: those that fall into one blackout are one, at its end. */
const startsAhead = (
  times: Times | undefined,
  blackouts: Blackouts,
  now: number,
  within: number,
): number[] => {
  if (!times) return []
  const until = now + within * 1000
  const stride = Math.max(0, (within * 1000) / STARTS_AHEAD - times.gap)
  const starts: number[] = []
  for (let planned = times.after(now); planned !== undefined && planned <= until; ) {
    const start = (blackouts.until(planned) ?? planned) / 1000
    if (start > (starts.at(-1) ?? 0)) starts.push(start)
    planned = times.after(planned + stride)
  }
  return starts
}

/** Carries out the starts of one schedule: one at a time, and at most one waits. */
export const createStarter = (
  deps: StartDeps,
  {
    spec,
    times,
    blackouts,
    book,
    signal,
  }: { spec: ScheduleSpec; times: Times | undefined; blackouts: Blackouts; book: Book; signal: AbortSignal },
) => {
  const now = () => deps.clock.now().getTime()
  let active: Active | undefined

  const begin = async (
    mine: Active,
    due: number,
    triggered: boolean,
    tell: (started: Started) => void,
  ): Promise<void> => {
    const latenessSeconds = triggered ? 0 : Math.max(0, (now() - due) / 1000)
    let isFirst = true
    const { spent, since } = book.record()
    try {
      const end = await carryOut(deps, spec, {
        triggered,
        spent: spentOf(spent, spec.budget, now()),
        since: Math.floor(since / 1000),
        starts: startsAhead(times, blackouts, now(), fromDuration(spec.everyPairWithin) ?? 0),
        signal,
        isHalted: () => mine.halted,
        onRun: (run) => {
          book.onRun(run, isFirst, latenessSeconds)
          isFirst = false
          tell({ run })
        },
        onSpent: book.onSpent,
      })
      book.onEnd(end)
      tell({ end })
    } catch (error) {
      tell(signal.aborted ? {} : { bug: error })
      if (!signal.aborted) book.onBug(error)
    }
  }

  const start = (due: number, triggered = false): Promise<Started> => {
    const { promise, resolve } = Promise.withResolvers<Started>()
    const mine: Active = { done: Promise.resolve(), queued: undefined, halted: false }
    active = mine
    mine.done = begin(mine, due, triggered, resolve).then(() => {
      active = undefined
      if (mine.queued !== undefined && !signal.aborted) void start(mine.queued)
    })
    return promise
  }

  return {
    isActive: () => active !== undefined,

    /** Starts what was due, or does what the overlap policy says while the run before goes on. */
    startDue(due: number): void {
      if (!active) void start(due)
      else if (spec.overlap === OverlapPolicy.OVERLAP_POLICY_QUEUE && active.queued === undefined)
        active.queued = due
      else {
        const overlapCount = book.record().overlapCount + 1
        book.skip('overlap', 'the run before has not ended', { overlapCount })
      }
    },

    /** Starts at once, beside every plan. Nothing may be active. */
    startNow: (): Promise<Started> => start(now(), true),

    /** Forgets the start that waits, and makes no further run of the one that is under way. */
    halt(): void {
      if (active) Object.assign(active, { queued: undefined, halted: true })
    },

    /** Resolves when what is under way has ended. */
    settled: async (): Promise<void> => active?.done,
  }
}
