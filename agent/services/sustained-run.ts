import {
  Direction,
  type Flow,
  type IperfOptions,
  IperfResult,
  type IperfSample,
  type RunRequest,
  type RunResponse,
} from '#proto/meshgauge/agent/v1/iperf.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { throwIfInvalid, type Violation } from '../../lib/errors.ts'
import { fromDuration, toDuration, toTimestamp } from '../../lib/protobuf-time.ts'
import { IPERF_DEFAULTS } from '../../lib/test-defaults.ts'
import { claimsOf } from '../admission.ts'
import type { IperfEngine } from '../engines/engine.ts'
import type { AgentOptions } from '../options.ts'
import type { CallerContext, IperfDeps as Deps } from './iperf-end.ts'
import { admitFlows } from './iperf-run.ts'
import { type Attempt, FIRST_PAUSE_SECONDS, keepUp } from './keep-up.ts'
import { type Lease, sustainedStream, sustainedViolations } from './sustained-stream.ts'

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

type Sending = {
  deps: Deps
  engine: IperfEngine
  request: RunRequest
  flows: Flow[]
  maxSeconds: number
  totals: ReturnType<typeof createTotals>
  begun: PromiseWithResolvers<void>[]
}

/** One test of a flow, within the agent's limit. */
const attemptOf =
  ({ deps, engine, request, flows, maxSeconds, totals, begun }: Sending, flowIndex: number): Attempt =>
  async (tell, until) => {
    await deps.sustained.turn(until)
    begun[flowIndex]!.resolve()
    const test = engine.keepUp!(request.options, testSeconds(maxSeconds, flowIndex))
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

const admit = async (
  deps: Deps,
  options: AgentOptions,
  request: RunRequest,
  peer: string,
  { signal, undo }: Lease,
) => {
  const { engine, version } = await deps.engines.iperf(request.engine, signal)
  const intervalSeconds = fromDuration(request.options?.interval) ?? IPERF_DEFAULTS.intervalSeconds
  const flows = admitFlows(deps, options, engine, request)
  throwIfInvalid('the run request', [
    ...sustainedViolations(engine, intervalSeconds),
    ...optionViolations(request.options),
  ])
  const interfaces = flows.map((flow) => flow.interface)
  const claims = claimsOf('client', request.options?.direction ?? 0, interfaces)
  undo.push(deps.admission.claim(claims, request.admission, peer), deps.sustained.hold(request.label))
  return { engine, version, flows, intervalSeconds }
}

/** Sends each flow until its duration is over or the caller's stream ends; clients that end are started again. */
export async function* runSustained(
  deps: Deps,
  options: AgentOptions,
  request: RunRequest,
  context: CallerContext,
): AsyncGenerator<RunResponse> {
  const totals = createTotals(request.flows.length)
  yield* sustainedStream(
    deps,
    context,
    async (lease): Promise<{ started: RunResponse; over: Promise<void> }> => {
      const admitted = await admit(deps, options, request, context.peer, lease)
      const { engine, version, flows, intervalSeconds } = admitted
      const { signal, news } = lease
      const begun = flows.map(() => Promise.withResolvers<void>())
      const sending = { deps, engine, request, flows, maxSeconds: options.maxDurationSeconds, totals, begun }
      const onSample = (sample: IperfSample) => {
        totals.sample(sample)
        news.sample(sample)
      }
      const keeping = flows.map((_, flowIndex) => {
        const attempt = attemptOf(sending, flowIndex)
        const firstPauseSeconds = FIRST_PAUSE_SECONDS.client
        const onChange = news.change
        return keepUp(
          deps,
          { attempt, flowIndex, intervalSeconds, firstPauseSeconds, onSample, onChange },
          signal,
        )
      })
      lease.undo.push(() => Promise.allSettled(keeping))
      const failed = Promise.race(keeping)
      await Promise.race([failed, Promise.all(begun.map(({ promise }) => promise))])
      const startTime = toTimestamp(deps.clock.now())
      const duration = fromDuration(request.options?.duration)
      return {
        started: { event: { $case: 'started', value: { engine: version, startTime } } },
        over: duration === undefined ? failed : Promise.race([failed, deps.clock.sleep(duration, signal)]),
      }
    },
  )
  yield { event: { $case: 'summary', value: { results: totals.results() } } }
}
