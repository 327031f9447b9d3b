import { Direction } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { fromDuration, toDuration, toTimestamp } from '../../lib/protobuf-time.ts'
import { betterResult } from '../diagnosis/better-result.ts'
import { type DiagnosisInput, diagnose } from '../diagnosis/diagnosis.ts'
import { evaluateExpectations } from '../diagnosis/expectations.ts'
import { judgeRun } from '../diagnosis/run-judgement.ts'
import type { SizeLimits } from '../diagnosis/size-limits.ts'
import { summarize } from '../diagnosis/summary.ts'
import { dispatch, redispatch } from '../dispatch/dispatch.ts'
import type { PairResult } from '../dispatch/pair-result.ts'
import type { DispatchJob } from '../dispatch/pass.ts'
import { type RunTrace, startRunTrace } from '../dispatch/run-trace.ts'
import { interfaceKey } from '../inventory/keys.ts'
import type { PlannedRun } from '../plan/plan-run.ts'
import type { RunTest } from '../plan/run-spec.ts'
import type { Run } from '../store/run.ts'
import { withoutHostSamples } from '../store/store.ts'
import type { RunDeps, RunFacts } from './deps.ts'
import { exclusiveInterfacesOf } from './interface-queue.ts'
import { LatestResults } from './latest-results.ts'
import { createResultLog } from './result-log.ts'
import { createRunRecord } from './run-record.ts'
import { segmentBytesOf } from './segments.ts'
import { largestPacketOf, measureSizeLimits } from './size-limits.ts'
import { createWatchers, type RunUpdate } from './watchers.ts'

/** Most suspects that are measured again: enough for every node of a bad rack, and few compared with the run itself. */
const maxRetests = (nodeCount: number): number => Math.max(20, 4 * nodeCount)

/** The second retest is for pairs that no culprit explains after the first one. */
const RETESTS = 2

/** Why a run that ended early is incomplete. */
const INCOMPLETE: Partial<Record<RunState, string>> = {
  [RunState.RUN_STATE_CANCELLED]: 'The run was cancelled.',
  [RunState.RUN_STATE_INTERRUPTED]: 'The run was interrupted.',
  [RunState.RUN_STATE_FAILED]: 'The run failed.',
}

/** Whether the payload flows from the destination of a pair to its source (iperf3 --reverse). */
const isReversed = (test: RunTest): boolean =>
  test.kind === 'iperf' && test.direction === Direction.DIRECTION_REVERSE

/**
 * One run, from PENDING to its final state: wait for the interfaces, measure, measure suspects again, diagnose.
 * The constructor stores the run and starts it. It throws an OperatingError when the run cannot be stored; then
 * nothing has started.
 */
export class ActiveRun {
  /** Resolves when the run has its final state, which may wait for the store. Never rejects. */
  readonly ended: Promise<Run>
  /** Resolves when the end is stored, or when the collector shuts down first. Never rejects. */
  readonly done: Promise<void>
  /** Whether it has its final state, and at most waits for the store. */
  hasEnded = false
  readonly #deps: RunDeps
  readonly #planned: PlannedRun
  readonly #facts: RunFacts
  readonly #test: RunTest['kind']
  readonly #stop = new AbortController()
  readonly #shutdown = new AbortController()
  readonly #results = new LatestResults()
  readonly #watchers
  readonly #log
  readonly #record
  readonly #trace: RunTrace
  #sizeLimits: SizeLimits = new Map()
  #run: Run
  /** Why the run ended early; the first reason counts. */
  #earlyEnd: { state: RunState; reason: string } | undefined

  constructor(deps: RunDeps, initial: Run, planned: PlannedRun, facts: RunFacts) {
    this.#deps = deps
    this.#planned = planned
    this.#facts = facts
    this.#test = initial.spec.test.kind
    this.#trace = startRunTrace(deps.tracer, `run ${this.#test}`, { 'meshgauge.run.id': initial.id })
    this.#run = { ...initial, traceId: this.#trace.traceId }
    this.#watchers = createWatchers(
      () => this.#run,
      (count) => deps.observer.observeDropped('watcher', count),
    )
    this.#log = createResultLog(deps, initial.id, (results) => this.#onResults(results))
    this.#record = createRunRecord(deps, this.#log)
    try {
      deps.store.createRun(this.#run)
    } catch (error) {
      void this.#log.close()
      this.#trace.end('not stored')
      throw error
    }
    this.ended = this.#execute()
    this.done = this.ended.then((run) => this.#storeEnd(run))
  }

  get run(): Run {
    return this.#run
  }

  /** Why results or the state cannot be stored now; undefined when they can. */
  storeProblem(): string | undefined {
    return (this.#log.failure() ?? this.#record.failure())?.message
  }

  unstoredCount(): number {
    return this.#log.unstoredCount()
  }

  watch(signal: AbortSignal): AsyncGenerator<RunUpdate> {
    return this.#watchers.watch(signal)
  }

  cancel(): void {
    this.#endEarly(RunState.RUN_STATE_CANCELLED, '')
  }

  /** Ends the run because the collector shuts down: what the store refuses then is lost. */
  interrupt(reason: string): void {
    this.#shutdown.abort()
    this.#endEarly(RunState.RUN_STATE_INTERRUPTED, reason)
  }

  #endEarly(state: RunState, reason: string): void {
    this.#earlyEnd ??= { state, reason }
    this.#stop.abort()
  }

  async #execute(): Promise<Run> {
    let failure = ''
    try {
      await this.#measureExclusively()
    } catch (error) {
      if (!this.#stop.signal.aborted || error !== this.#stop.signal.reason) {
        this.#deps.logger.error({ run: this.#run.id, err: error }, 'a run failed')
        failure = error instanceof Error ? error.message : String(error)
      }
    }
    this.#trace.end(failure)
    return this.#finish(failure)
  }

  async #measureExclusively(): Promise<void> {
    const { clock, queue } = this.#deps
    const { signal } = this.#stop
    const release = await queue
      .acquire(exclusiveInterfacesOf(this.#planned), signal)
      .catch((error: unknown) => {
        if (error !== signal.reason) throw error
        return undefined
      })
    if (!release) {
      // It ends before its interfaces are free: no pair starts, and each gets a result that says so.
      await dispatch(this.#job())
      return
    }
    try {
      this.#update({ state: RunState.RUN_STATE_RUNNING, startTime: toTimestamp(clock.now()) })
      this.#record.store(this.#run)
      await this.#measure()
      this.#run = { ...this.#run, endTime: toTimestamp(clock.now()) }
    } finally {
      release()
    }
  }

  #job(): DispatchJob {
    const { observer } = this.#deps
    return {
      deps: this.#deps,
      run: this.#planned,
      trace: this.#trace,
      events: {
        onResult: this.#log.add,
        onRound: (round) => this.#update(this.#progress({ round })),
        onStart: (lagSeconds) => observer.observeTestStart(this.#test, lagSeconds, this.#run.traceId),
        onEnd: () => observer.observeTestEnd(this.#test),
      },
      signal: this.#stop.signal,
    }
  }

  /** Measures every pair once, then packet sizes and the suspects, and again those that no culprit explains. */
  async #measure(): Promise<void> {
    const job = this.#job()
    await dispatch(job)
    this.#log.flush()
    const { results, reversed } = this.#evidence()
    this.#sizeLimits = await measureSizeLimits(
      this.#deps,
      this.#planned,
      results,
      reversed,
      this.#stop.signal,
    )
    for (let retest = 0; retest < RETESTS; retest++) {
      const suspects = diagnose(this.#evidence()).suspects.slice(0, maxRetests(this.#run.plan.nodeCount))
      const { pairs, rounds } = this.#results.locate(this.#planned, suspects)
      if (pairs.length === 0 || this.#stop.signal.aborted) return
      this.#deps.logger.info({ run: this.#run.id, pairs: pairs.length }, 'measuring suspects again')
      await redispatch({ ...job, events: { ...job.events, onResult: this.#onRetest } }, pairs, rounds)
      this.#log.flush()
    }
  }

  /** Stores the better result of a pair. A retest that was cut short has none. */
  readonly #onRetest = (result: PairResult): void => {
    const isCutShort = this.#stop.signal.aborted && result.outcome !== Outcome.OUTCOME_MEASURED
    if (result.outcome === Outcome.OUTCOME_NOT_RUN || isCutShort) return
    const earlier = this.#results.of(result)
    this.#log.add(earlier ? betterResult(earlier, result) : result)
  }

  #evidence(): DiagnosisInput & { reversed: boolean } {
    return {
      results: this.#results.all(),
      ...this.#facts,
      sizeLimits: this.#sizeLimits,
      packetBytes: largestPacketOf(this.#planned.spec.test),
      interfaces: new Map(
        this.#planned.endpoints.map((endpoint) => [interfaceKey(endpoint), endpoint] as const),
      ),
      reversed: isReversed(this.#run.spec.test),
    }
  }

  /** Judges the run, sets its final state, and tries to store it. */
  async #finish(failure: string): Promise<Run> {
    const { clock, observer } = this.#deps
    this.#onResults(await this.#log.close())
    this.hasEnded = true
    const state = failure
      ? RunState.RUN_STATE_FAILED
      : (this.#earlyEnd?.state ?? RunState.RUN_STATE_COMPLETED)
    const change = {
      state,
      stateReason: failure || (this.#earlyEnd?.reason ?? ''),
      endTime: this.#run.endTime ?? toTimestamp(clock.now()),
      ...this.#judge(state),
      ...this.#progress({ remaining: undefined }),
    }
    const run = { ...this.#run, ...change }
    // Before the watchers receive the end: they can then read all of it from the store.
    this.#record.store(run, this.#results.marked())
    observer.observeRun(run, this.#results.all())
    this.#update(change)
    this.#watchers.end()
    return run
  }

  /** Stores the end of the run as soon as the store works, or reports at shutdown that it does not. */
  async #storeEnd(run: Run): Promise<void> {
    const { logger, observer } = this.#deps
    if (await this.#record.storeWhenPossible(run, this.#results.marked(), this.#shutdown.signal)) return
    observer.observeDropped('store', this.#log.unstoredCount())
    logger.error({ run: run.id, reason: this.storeProblem() }, 'the end of a run could not be stored')
  }

  /** Judges the results, and marks those that support a verdict. */
  #judge(state: RunState): Pick<Run, 'summary' | 'judgement' | 'verdicts'> {
    const evidence = this.#evidence()
    const { results } = evidence
    const expectations = evaluateExpectations(
      this.#run.spec.expectations,
      results,
      segmentBytesOf(this.#planned),
    )
    const { judgement, verdicts, isMarked } = judgeRun({
      ...evidence,
      requestedCount: this.#run.plan.pairCount,
      expectations,
      incomplete: INCOMPLETE[state] ?? '',
    })
    this.#results.mark(isMarked)
    return { summary: summarize(this.#results.all(), expectations), judgement, verdicts }
  }

  #onResults(results: readonly PairResult[]): void {
    // Those of a run that has ended are part of its end already.
    if (this.hasEnded || results.length === 0) return
    const first = results.filter((result) => this.#results.put(result))
    this.#deps.observer.observeResults(this.#run, first)
    const { doneCount, measuredCount } = this.#results
    const plan = this.#run.plan
    const share = 1 - doneCount / Math.max(1, plan.pairCount)
    const remaining = toDuration((fromDuration(plan.duration) ?? 0) * share)
    this.#update(this.#progress({ doneCount, measuredCount, remaining }), results.map(withoutHostSamples))
  }

  #progress(change: Partial<Run['progress']>): Pick<Run, 'progress'> {
    return { progress: { ...this.#run.progress, ...change } }
  }

  #update(change: Partial<Run>, results: readonly PairResult[] = []): void {
    this.#run = { ...this.#run, ...change }
    this.#watchers.publish(results)
  }
}
