import type { Run } from '#proto/meshgauge/collector/v1/run.ts'
import { OverlapPolicy, type ScheduleSpec } from '#proto/meshgauge/collector/v1/schedule.ts'
import { fromDuration } from '../../lib/protobuf-time.ts'
import type { Book } from './book.ts'
import { spentOf } from './budget.ts'
import { carryOut, type StartDeps, type StartEnd } from './start.ts'
import type { Times } from './times.ts'

/** So many later starts are looked ahead to when pairs are shared among them; rarer ones stand for the others. */
const STARTS_AHEAD = 500

/** The first run of a start; without one, why there is none. */
export type Started = { run: Run | undefined; end: StartEnd | undefined }

/** A start that is under way. `queued` is when the one that waits for it was due, if one waits. */
type Active = { done: Promise<void>; queued: number | undefined }

/** Planned times to come within so many seconds, in Unix seconds. */
const startsAhead = (times: Times | undefined, now: number, within: number): number[] => {
  if (!times) return []
  const until = now + within * 1000
  const stride = Math.max(0, (within * 1000) / STARTS_AHEAD - times.gap)
  const starts: number[] = []
  for (let planned = times.after(now); planned !== undefined && planned <= until; ) {
    starts.push(planned / 1000)
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
    book,
    signal,
  }: { spec: ScheduleSpec; times: Times | undefined; book: Book; signal: AbortSignal },
) => {
  const now = () => deps.clock.now().getTime()
  let active: Active | undefined

  const begin = async (due: number, triggered: boolean, tell: (started: Started) => void) => {
    const latenessSeconds = triggered ? 0 : Math.max(0, (now() - due) / 1000)
    let isFirst = true
    const { spent, since } = book.record()
    try {
      const end = await carryOut(deps, spec, {
        triggered,
        spent: spentOf(spent, spec.budget, now()),
        since: Math.floor(since / 1000),
        starts: startsAhead(times, now(), fromDuration(spec.everyPairWithin) ?? 0),
        signal,
        onRun: (run) => {
          book.onRun(run, isFirst, latenessSeconds)
          isFirst = false
          tell({ run, end: undefined })
        },
        onSpent: book.onSpent,
      })
      book.onEnd(end)
      tell({ run: undefined, end })
    } catch (error) {
      tell({ run: undefined, end: undefined })
      if (!signal.aborted) book.onBug(error)
    }
  }

  const start = (due: number, triggered = false): Promise<Started> => {
    const { promise, resolve } = Promise.withResolvers<Started>()
    const mine: Active = { done: Promise.resolve(), queued: undefined }
    active = mine
    mine.done = begin(due, triggered, resolve).then(() => {
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

    /** Forgets the start that waits. */
    dropQueued(): void {
      if (active) active.queued = undefined
    },

    /** Resolves when what is under way has ended. */
    settled: async (): Promise<void> => active?.done,
  }
}
