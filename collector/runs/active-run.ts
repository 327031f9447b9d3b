import type { Tracer } from '@opentelemetry/api'
import { Direction } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import { type Run, type RunSpec, RunState } from '#proto/meshgauge/collector/v1/run.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/logging.ts'
import { fromDuration, toDuration, toTimestamp } from '../../lib/protobuf-time.ts'
import { diagnose } from '../diagnosis/diagnosis.ts'
import { evaluateExpectations } from '../diagnosis/expectations.ts'
import { summarize } from '../diagnosis/summary.ts'
import { dispatch, redispatch } from '../dispatch/dispatch.ts'
import type { PreparedRun } from '../dispatch/prepared-run.ts'
import { type RunTrace, startRunTrace } from '../dispatch/run-trace.ts'
import type { AgentConnection } from '../inventory/agents.ts'
import { withoutHosts } from '../store/hosts.ts'
import type { Store } from '../store/store.ts'
import type { InterfaceQueue } from './interface-queue.ts'
import { createResultLog } from './result-log.ts'
import { segmentBytesOf } from './segments.ts'
import { createWatchers } from './watchers.ts'

/** What a run tells the metrics. */
export type RunObserver = {
  observeActive(count: number): void
  /** A test has begun, so long after it could. */
  observeTestStart(test: string, lagSeconds: number, traceId: string): void
  /** Results that a watcher was not told of, or that were never stored. */
  observeDropped(reason: 'watcher' | 'store', count: number): void
  observeTestEnd(test: string): void
  observeResults(run: Run, results: readonly PairResult[]): void
  observeRun(run: Run, results: readonly PairResult[]): void
}

export type RunDeps = {
  clock: Clock
  logger: Logger
  tracer: Tracer
  store: Store
  observer: RunObserver
  connection(node: string): AgentConnection
  queue: InterfaceQueue
}

/** Suspects measured again before the blame: enough for every node of a bad rack, few beside the run itself. */
const maxRetests = (nodeCount: number): number => Math.max(20, 4 * nodeCount)

export type ActiveRun = ReturnType<typeof startRun>

/** Takes one run from PENDING to its end. `done` never rejects. */
export const startRun = (
  deps: RunDeps,
  initial: Run,
  prepared: PreparedRun,
  racks: ReadonlyMap<string, string>,
) => {
  const { clock, logger, store } = deps
  const test = initial.spec!.test!.$case
  const reversed = isReversed(initial.spec!)
  let run = initial
  let ending: { state: RunState; reason: string } | undefined
  const stop = new AbortController()
  const watchers = createWatchers(
    () => run,
    (count) => deps.observer.observeDropped('watcher', count),
  )
  const latest = new Map<string, PairResult>()

  const update = (change: Partial<Run>, results: PairResult[] = []) => {
    run = { ...run, ...change }
    watchers.tell(results)
  }
  const progress = (change: Partial<NonNullable<Run['progress']>>) => ({
    progress: { ...run.progress!, ...change },
  })

  let measuredCount = 0
  const keep = (result: PairResult) => {
    const key = keyOf(result)
    const before = latest.get(key)
    if (before && isMeasured(before)) measuredCount--
    if (isMeasured(result)) measuredCount++
    latest.set(key, withoutHosts(result))
    return before === undefined
  }
  const onStored = (results: PairResult[]) => {
    const fresh = results.filter(keep)
    deps.observer.observeResults(run, fresh)
    const doneCount = latest.size
    const share = 1 - doneCount / Math.max(1, run.plan?.pairCount ?? 1)
    const remaining = toDuration((fromDuration(run.plan?.duration) ?? 0) * share)
    update(progress({ doneCount, measuredCount, remaining }), results.map(withoutHosts))
  }
  const log = createResultLog(deps, run.id, onStored)

  const measure = async (trace: RunTrace) => {
    const job = {
      deps,
      run: prepared,
      trace,
      events: {
        onResult: log.add,
        onRound: (round: number) => update(progress({ round })),
        onStart: (lagSeconds: number) => deps.observer.observeTestStart(test, lagSeconds, run.traceId),
        onEnd: () => deps.observer.observeTestEnd(test),
      },
      signal: stop.signal,
    }
    await dispatch(job)
    log.flush()
    const suspects = diagnose({ results: [...latest.values()], racks, reversed }).suspects.slice(
      0,
      maxRetests(run.plan!.nodeCount),
    )
    const again = pairsOf(prepared, suspects.map(keyOf))
    if (again.length === 0 || stop.signal.aborted) return
    logger.info({ run: run.id, pairs: again.length }, 'measuring suspects again')
    // A retest that was cut short says nothing: the first result stands.
    const onResult = (result: PairResult) => {
      if (result.outcome !== Outcome.OUTCOME_NOT_RUN) log.add(result)
    }
    const rounds = again.map((pair) => latest.get(pairKey(prepared, pair))?.round ?? 0)
    await redispatch({ ...job, events: { ...job.events, onResult } }, again, rounds)
  }

  const live = async (trace: RunTrace) => {
    const leave = await deps.queue.enter(interfacesOf(prepared), stop.signal)
    try {
      update({ state: RunState.RUN_STATE_RUNNING, startTime: toTimestamp(clock.now()) })
      store.updateRun(run)
      await measure(trace)
      run = { ...run, endTime: toTimestamp(clock.now()) }
    } finally {
      leave()
    }
  }

  const finish = async (trouble: string) => {
    const unstored = await log.close()
    if (unstored) {
      deps.observer.observeDropped('store', unstored.results.length)
      for (const result of unstored.results) keep(result)
    }
    const failure = unstored?.failure.message ?? trouble
    const results = [...latest.values()]
    const state = failure ? RunState.RUN_STATE_FAILED : (ending?.state ?? RunState.RUN_STATE_COMPLETED)
    const { verdicts } = diagnose({ results, racks, reversed })
    const change = {
      state,
      stateReason: failure || (ending?.reason ?? ''),
      endTime: run.endTime ?? toTimestamp(clock.now()),
      summary: {
        ...summarize(results, racks),
        expectations: evaluateExpectations(run.spec!.expectations, results, segmentBytesOf(prepared)),
      },
      verdicts,
      ...progress({ remaining: undefined }),
    }
    const ended = { ...run, ...change }
    try {
      store.updateRun(ended)
    } catch (error) {
      logger.error({ run: run.id, err: error }, 'the end of a run could not be stored')
    }
    deps.observer.observeRun(ended, results)
    // What the store would not take is still told to those who watch.
    update(change, unstored?.results.map(withoutHosts) ?? [])
    watchers.end()
    return failure
  }

  const trace = startRunTrace(deps.tracer, `run ${test}`, { 'meshgauge.run.id': run.id })
  run = { ...run, traceId: trace.traceId }
  try {
    store.createRun(run)
  } catch (error) {
    // Nothing has begun: the caller gets the error, and no trace of a run stays.
    void log.close()
    trace.end('not stored')
    throw error
  }
  const done = live(trace)
    .then(
      () => '',
      (error: unknown) => {
        if (stop.signal.aborted && error === stop.signal.reason) return ''
        logger.error({ run: run.id, err: error }, 'a run failed')
        return error instanceof Error ? error.message : String(error)
      },
    )
    .then(finish)
    .then((failure) => trace.end(failure))

  const end = (state: RunState, reason: string) => {
    ending ??= { state, reason }
    stop.abort()
  }
  return {
    run: () => run,
    /** Why results cannot be stored now, if they cannot. */
    problem: () => log.failure()?.message,
    waitingCount: () => log.waitingCount(),
    watch: watchers.watch,
    cancel: () => end(RunState.RUN_STATE_CANCELLED, ''),
    interrupt: (reason: string) => end(RunState.RUN_STATE_INTERRUPTED, reason),
    done,
  }
}

/** Whether the bytes flow from the destination of a pair to its source (iperf3 --reverse). */
const isReversed = ({ test }: RunSpec): boolean =>
  test?.$case === 'iperf' && test.value.options?.direction === Direction.DIRECTION_REVERSE

const isMeasured = ({ outcome }: PairResult): boolean => outcome === Outcome.OUTCOME_MEASURED

const keyOf = ({ source, destination }: Pick<PairResult, 'source' | 'destination'>): string =>
  `${source?.node} ${source?.interface} ${destination?.node} ${destination?.interface}`

const pairKey = (prepared: PreparedRun, pair: number): string =>
  keyOf({
    source: { ...prepared.endpoints[prepared.sources[pair]!]!, address: '' },
    destination: { ...prepared.endpoints[prepared.destinations[pair]!]!, address: '' },
  })

/** The positions of pairs that are named by their keys. */
const pairsOf = (prepared: PreparedRun, keys: readonly string[]): number[] => {
  if (keys.length === 0) return []
  const wanted = new Set(keys)
  const all = Array.from({ length: prepared.sources.length }, (_, pair) => pair)
  return all.filter((pair) => wanted.has(pairKey(prepared, pair)))
}

/** What a run must have to itself: the interfaces of an iperf, nothing for a ping, which shares. */
export const interfacesOf = (prepared: PreparedRun): Set<string> => {
  if (prepared.spec.test?.$case === 'ping') return new Set()
  const used = new Set([...prepared.sources, ...prepared.destinations])
  return new Set(
    [...used].map(
      (endpoint) => `${prepared.endpoints[endpoint]!.node} ${prepared.endpoints[endpoint]!.interface}`,
    ),
  )
}
