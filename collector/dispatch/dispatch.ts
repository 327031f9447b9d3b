import { Admission, IpFamily, Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { type Endpoint, PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import type { IperfTest, PingTest } from '#proto/meshgauge/collector/v1/run.ts'
import type { Clock } from '../../lib/clock.ts'
import { toTimestamp } from '../../lib/protobuf-time.ts'
import type { AgentConnection } from '../inventory/agents.ts'
import { type PlanInput, roundOf } from '../plan/plan.ts'
import { createPlan } from '../plan/planner.ts'
import { addressesOfPair, type EndProblem, endpointMessage, type RunEndpoint } from './endpoints.ts'
import { testSeconds } from './estimate.ts'
import { measureIperf } from './iperf.ts'
import { createOrder, type Order } from './order.ts'
import { measurePings } from './ping.ts'
import type { PreparedRun } from './prepared-run.ts'
import { type RunTrace, within } from './run-trace.ts'

export type DispatchDeps = { connection(node: string): AgentConnection; clock: Clock }

/** What dispatch tells while it works. */
export type DispatchEvents = {
  onResult(result: PairResult): void
  onRound(round: number): void
  /** A test begins, so long after it could. */
  onStart(lagSeconds: number): void
  onEnd(): void
}

/** A slow pair holds up the next ones of its nodes at most this long, or a quarter of a test if that is longer. */
const PATIENCE_SECONDS = 0.5

type Job = {
  deps: DispatchDeps
  run: PreparedRun
  trace: RunTrace
  events: DispatchEvents
  signal: AbortSignal
}

/** One pass over some pairs. */
type Pass = Job & {
  /** The round of each pair in the run's plan, from 1. */
  rounds: Int32Array
  /** Pairs in each round, from 0. */
  roundSizes: number[]
  /** A retest replaces results, and counts as a further attempt. */
  retest: boolean
}

/** Measures every pair of a run. Each gets exactly one result, whatever happens; it throws only bugs. */
export const dispatch = (job: Job): Promise<void> => {
  const { plan } = job.run
  const rounds = new Int32Array(plan.pairCount)
  const roundSizes: number[] = []
  for (let round = 0; round < plan.roundCount; round++) {
    const pairs = roundOf(plan, round)
    roundSizes.push(pairs.length)
    for (const pair of pairs) rounds[pair] = round + 1
  }
  return dispatchPass({ ...job, rounds, roundSizes, retest: false })
}

/** Measures some pairs of a run again, by themselves; `rounds` are those of their first results. */
export const redispatch = (job: Job, pairs: readonly number[], rounds: readonly number[]): Promise<void> => {
  const { run } = job
  const sources = Int32Array.from(pairs, (pair) => run.sources[pair]!)
  const destinations = Int32Array.from(pairs, (pair) => run.destinations[pair]!)
  // A node that sends badly delays the acknowledgements of what it receives: alone, each direction shows what it is.
  const exclusiveNodes = run.planInput.caps.exclusiveNodes || run.spec.test?.$case === 'iperf'
  const caps = { ...run.planInput.caps, exclusiveNodes }
  const planInput: PlanInput = { ...run.planInput, caps, pairs: { sources, destinations } }
  const again = { ...run, sources, destinations, planInput, plan: createPlan(planInput) }
  return dispatchPass({ ...job, run: again, rounds: Int32Array.from(rounds), roundSizes: [], retest: true })
}

const dispatchPass = async (pass: Pass): Promise<void> => {
  const problems = new Map<number, EndProblem>()
  for (let pair = 0; pair < pass.run.sources.length; pair++) {
    const problem = problemOf(pass.run, pair)
    if (problem) problems.set(pair, problem)
  }
  for (const [pair, problem] of problems) {
    report(pass, pair, openSpan(pass, pair), { ...problem, attemptCount: 0 })
  }
  const test = pass.run.spec.test
  const skip = new Set(problems.keys())
  if (test?.$case === 'ping') await dispatchPings(pass, test.value, skip)
  else if (test) await dispatchIperfs(pass, test.value, skip)
}

const endOf = (run: PreparedRun, pair: number): [RunEndpoint, RunEndpoint] => [
  run.endpoints[run.sources[pair]!]!,
  run.endpoints[run.destinations[pair]!]!,
]

const familyOf = ({ spec }: PreparedRun): IpFamily =>
  spec.test?.$case === 'iperf'
    ? (spec.test.value.options?.family ?? IpFamily.IP_FAMILY_UNSPECIFIED)
    : IpFamily.IP_FAMILY_UNSPECIFIED

const problemOf = (run: PreparedRun, pair: number): EndProblem | undefined => {
  const [source, destination] = endOf(run, pair)
  const problem = source.problem ?? destination.problem
  if (problem || addressesOfPair(source, destination, familyOf(run))) return problem
  const reason = `${source.node} and ${destination.node} have no addresses of one family on ${source.interface}`
  return { outcome: Outcome.OUTCOME_NOT_RUN, reason }
}

const pairName = (run: PreparedRun, pair: number): string => {
  const [source, destination] = endOf(run, pair)
  return `${source.node} → ${destination.node} ${source.interface}`
}

type PairSpan = ReturnType<RunTrace['pair']>

const openSpan = ({ run, trace, rounds, roundSizes, retest }: Pass, pair: number): PairSpan => {
  const [source, destination] = endOf(run, pair)
  const round = rounds[pair]!
  const group = retest
    ? { name: 'retest', size: run.sources.length }
    : { name: `round ${round}`, size: roundSizes[round - 1]! }
  return trace.pair(group, pairName(run, pair), {
    'meshgauge.test': run.spec.test?.$case,
    'meshgauge.source': source.node,
    'meshgauge.destination': destination.node,
    'meshgauge.interface': source.interface,
  })
}
type Measured = Pick<PairResult, 'outcome' | 'reason' | 'attemptCount'> & Partial<PairResult>

const report = (pass: Pass, pair: number, span: PairSpan, measured: Measured): void => {
  const [source, destination] = endOf(pass.run, pair)
  const addresses = addressesOfPair(source, destination, familyOf(pass.run))
  const ends: { source: Endpoint; destination: Endpoint } = {
    source: endpointMessage(source, addresses?.source),
    destination: endpointMessage(destination, addresses?.destination),
  }
  span.end(measured.reason)
  const attemptCount = measured.attemptCount === 0 ? 0 : measured.attemptCount + (pass.retest ? 1 : 0)
  const trace = { traceId: pass.trace.traceId, spanId: span.spanId, round: pass.rounds[pair]! }
  pass.events.onResult(PairResult.fromPartial({ ...ends, ...measured, attemptCount, ...trace }))
}

/** One stream for each interface that sends, all at once; the agents spread their probes themselves. */
const dispatchPings = async (pass: Pass, test: PingTest, skip: ReadonlySet<number>): Promise<void> => {
  const pairs = [...pass.run.plan.order].filter((pair) => !skip.has(pair))
  const groups = Map.groupBy(pairs, (pair) => pass.run.sources[pair]!)
  if (!pass.retest) pass.events.onRound(1)
  await Promise.all([...groups.values()].map((group) => pingGroup(pass, test, group)))
}

const pingGroup = async (pass: Pass, test: PingTest, pairs: readonly number[]): Promise<void> => {
  const { run, deps } = pass
  const { node, interface: name } = run.endpoints[run.sources[pairs[0]!]!]!
  const spans = pairs.map((pair) => openSpan(pass, pair))
  const targets = pairs.map((pair) => ({
    address: addressesOfPair(...endOf(run, pair), familyOf(run))!.destination,
  }))
  const startTime = toTimestamp(deps.clock.now())
  // One stream serves many pairs: its spans hang under the first of them.
  const results = await within(spans[0]!.context, () =>
    measurePings(
      deps.connection(node),
      { node, interface: name, targets },
      test,
      testSeconds(run.spec),
      pass.signal,
    ),
  )
  const endTime = toTimestamp(deps.clock.now())
  for (const [index, { statistics, ...measured }] of results.entries()) {
    const values = statistics && ({ $case: 'ping', value: statistics } as const)
    report(pass, pairs[index]!, spans[index]!, { ...measured, values, attemptCount: 1, startTime, endTime })
  }
}

const dispatchIperfs = async (pass: Pass, test: IperfTest, skip: ReadonlySet<number>): Promise<void> => {
  const { run, deps, signal, rounds } = pass
  const patienceSeconds = Math.max(PATIENCE_SECONDS, testSeconds(run.spec) / 4)
  const order = createOrder(run.planInput, run.plan, { patienceSeconds, skip })
  const running = new Map<number, Promise<void>>()
  let furthest = 0
  const start = (pair: number) => {
    if (!pass.retest && rounds[pair]! > furthest) {
      furthest = rounds[pair]!
      pass.events.onRound(furthest)
    }
    pass.events.onStart(order.lagSeconds(pair, deps.clock.monotonicSeconds()))
    const done = iperfPair(pass, test, pair).finally(() => {
      pass.events.onEnd()
      running.delete(pair)
      order.finish(pair, deps.clock.monotonicSeconds())
    })
    running.set(pair, done)
  }
  while (!signal.aborted && (order.waiting > 0 || running.size > 0)) {
    for (const pair of order.take(deps.clock.monotonicSeconds())) start(pair)
    await nextEvent(deps.clock, running, order, patienceSeconds, signal)
  }
  await Promise.all(running.values())
  for (const pair of order.rest()) {
    const cancelled = { outcome: Outcome.OUTCOME_NOT_RUN, reason: 'cancelled', attemptCount: 0 }
    report(pass, pair, openSpan(pass, pair), cancelled)
  }
}

/** Waits until a pair ends, or until patience may have run out while others wait. */
const nextEvent = async (
  clock: Clock,
  running: ReadonlyMap<number, Promise<void>>,
  order: Order,
  patienceSeconds: number,
  signal: AbortSignal,
): Promise<void> => {
  if (order.waiting === 0) return void (await Promise.race(running.values()))
  const timer = new AbortController()
  const either = AbortSignal.any([signal, timer.signal])
  const pause = clock.sleep(patienceSeconds / 2, either).catch(() => undefined)
  await Promise.race([...running.values(), pause])
  timer.abort()
}

const iperfPair = async (pass: Pass, test: IperfTest, pair: number): Promise<void> => {
  const { run, deps, signal } = pass
  const [source, destination] = endOf(run, pair)
  const addresses = addressesOfPair(source, destination, familyOf(run))!
  const ends = {
    source: { node: source.node, interface: source.interface, address: addresses.source },
    destination: { node: destination.node, interface: destination.interface, address: addresses.destination },
  }
  const span = openSpan(pass, pair)
  const startTime = toTimestamp(deps.clock.now())
  const { result, ...measured } = await within(span.context, () =>
    measureIperf(deps, ends, test, testSeconds(run.spec), signal, {
      admission: run.spec.besideTraffic ? Admission.ADMISSION_SHARED : Admission.ADMISSION_EXCLUSIVE,
      hostSampling: run.spec.hostSampling,
    }),
  )
  const endTime = toTimestamp(deps.clock.now())
  const values = result && ({ $case: 'iperf', value: result } as const)
  report(pass, pair, span, { ...measured, values, startTime, endTime })
}
