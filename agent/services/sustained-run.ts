import {
  Direction,
  type IperfOptions,
  IperfResult,
  type IperfSample,
  type RunRequest,
  type RunResponse,
} from '#proto/meshgauge/agent/v1/iperf.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { throwIfInvalid, type Violation } from '../../lib/errors.ts'
import { fromDuration, toDuration, toTimestamp } from '../../lib/protobuf-time.ts'
import { claimsOf } from '../admission.ts'
import type { AgentOptions } from '../options.ts'
import type { CallerContext, IperfDeps as Deps } from './iperf-end.ts'
import { admitFlows } from './iperf-run.ts'
import { type Attempt, createNews, FIRST_PAUSE_SECONDS, keepUp } from './keep-up.ts'
import { stillRunning } from './still-running.ts'
import { violationsOf } from './sustained-serve.ts'

/** News wait at most this long, so that a hundred clients cost one message a second. */
const FLUSH_SECONDS = 1
/** Flows of one start would all be renewed at the same moment; they are spread over this share of a test. */
const RENEWAL_SPREAD = 0.25
const SPREAD_STEPS = 16

/** How long one test of a flow is: within the agent's limit, and not the same for all. */
const testSeconds = (maxSeconds: number, flowIndex: number): number =>
  maxSeconds * (1 - (RENEWAL_SPREAD * (flowIndex % SPREAD_STEPS)) / SPREAD_STEPS)

const optionViolations = (options: IperfOptions | undefined): Violation[] => {
  const say = (field: string, description: string) => ({ field: `options.${field}`, description })
  const forward = !options || options.direction <= Direction.DIRECTION_FORWARD
  return [
    ...(options?.bytes === undefined ? [] : [say('bytes', 'bounds a test; a flow that is kept up has none')]),
    ...(fromDuration(options?.omit) ? [say('omit', 'a flow that is kept up has no warm-up')] : []),
    ...(forward ? [] : [say('direction', 'a flow that is kept up goes from the client to the server')]),
  ]
}

/** What each flow moved in all, for the summary of a stream that has a duration. */
const createTotals = (count: number) => {
  const totals = Array.from({ length: count }, () => ({ bytes: 0, seconds: 0, reason: '' }))
  return {
    sample({ flowIndex, bytes, start, end }: IperfSample): void {
      const total = totals[flowIndex]!
      total.bytes += bytes
      total.seconds += fromDuration(end!) - fromDuration(start!)
    },
    ended(flowIndex: number, reason: string): void {
      totals[flowIndex]!.reason = reason
    },
    results: (): IperfResult[] =>
      totals.map(({ bytes, seconds, reason }) =>
        IperfResult.fromPartial(
          bytes > 0
            ? {
                outcome: Outcome.OUTCOME_MEASURED,
                sentBytes: bytes,
                senderBitsPerSecond: Math.round((bytes * 8) / seconds),
                duration: toDuration(seconds),
              }
            : { outcome: Outcome.OUTCOME_UNREACHABLE, reason: reason || 'no bytes were sent' },
        ),
      ),
  }
}

/** Sends each flow until its duration is over or the caller's stream ends; clients that end are started again. */
export async function* runSustained(
  deps: Deps,
  options: AgentOptions,
  request: RunRequest,
  context: CallerContext,
): AsyncGenerator<RunResponse> {
  const stream = deps.draining.track(context.signal)
  const stop = new AbortController()
  const signal = AbortSignal.any([stream.signal, stop.signal])
  const undo: (() => void)[] = []
  let ended: Promise<unknown> = Promise.resolve()
  try {
    deps.draining.throwIfDraining()
    const { engine, version } = await deps.engines.iperf(request.engine, stream.signal)
    const intervalSeconds = fromDuration(request.options?.interval) ?? 1
    const flows = admitFlows(deps, options, engine, request)
    throwIfInvalid('the run request', [
      ...violationsOf(engine, intervalSeconds),
      ...optionViolations(request.options),
    ])
    const interfaces = flows.map((flow) => flow.interface)
    const claims = claimsOf('client', request.options?.direction ?? 0, interfaces)
    undo.push(
      deps.admission.claim(claims, request.admission, context.peer),
      deps.sustained.hold(request.label),
    )
    const news = createNews()
    const totals = createTotals(flows.length)
    const begun = flows.map(() => Promise.withResolvers<void>())
    const attemptOf =
      (flowIndex: number): Attempt =>
      async (tell, until) => {
        await deps.sustained.turn(until)
        begun[flowIndex]!.resolve()
        const seconds = testSeconds(options.maxDurationSeconds, flowIndex)
        const test = engine.keepUp!(request.options, seconds)
        for await (const event of engine.run(flows[flowIndex]!, test, until)) {
          if (event.kind === 'sample') {
            tell.sample(event.sample)
            continue
          }
          const { outcome, reason } = event.result
          totals.ended(flowIndex, reason)
          return { planned: outcome === Outcome.OUTCOME_MEASURED, reason }
        }
        throw new Error(`engine ${engine.name} ended a flow without a result`)
      }
    const onSample = (sample: IperfSample) => {
      totals.sample(sample)
      news.sample(sample)
    }
    const keeping = flows.map((_, flowIndex) =>
      keepUp(
        deps,
        {
          attempt: attemptOf(flowIndex),
          flowIndex,
          intervalSeconds,
          onSample,
          onChange: news.change,
          firstPauseSeconds: FIRST_PAUSE_SECONDS.client,
        },
        signal,
      ),
    )
    ended = Promise.allSettled(keeping)
    const failed = Promise.race(keeping)
    await Promise.race([failed, Promise.all(begun.map(({ promise }) => promise))])
    yield {
      event: { $case: 'started', value: { engine: version, startTime: toTimestamp(deps.clock.now()) } },
    }
    const duration = fromDuration(request.options?.duration)
    const work = duration === undefined ? failed : Promise.race([failed, deps.clock.sleep(duration, signal)])
    for (let running = true; running; ) {
      running = await stillRunning(work, FLUSH_SECONDS, deps.clock, signal)
      const { samples, changes } = news.take()
      if (changes.length > 0) yield { event: { $case: 'changes', value: { changes } } }
      if (samples.length > 0) yield { event: { $case: 'samples', value: { samples } } }
    }
    yield { event: { $case: 'summary', value: { results: totals.results() } } }
  } finally {
    stop.abort()
    await ended
    for (const release of undo) release()
    stream.end()
  }
}
