import { IpFamily, Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { Clock } from '../../lib/clock.ts'
import type { AgentConnection } from '../inventory/agents.ts'
import {
  addressesOfPair,
  type EndpointProblem,
  endpointMessage,
  type FleetEndpoint,
} from '../inventory/endpoints.ts'
import type { PlannedRun } from '../plan/plan-run.ts'
import { createPairResult, type PairResult } from './pair-result.ts'
import { withPlausibility } from './plausibility.ts'
import type { RunTrace } from './run-trace.ts'

export type DispatchDeps = { connection(node: string): AgentConnection; clock: Clock }

/** Receives what dispatch reports. */
export type DispatchEvents = {
  onResult(result: PairResult): void
  /** The first pair of a round starts; rounds count from 1. */
  onRound(round: number): void
  /** A test starts, `lagSeconds` after all that it needed was free. */
  onStart(lagSeconds: number): void
  onEnd(): void
}

/** What one call of `dispatch` works on. */
export type DispatchJob = {
  deps: DispatchDeps
  run: PlannedRun
  trace: RunTrace
  events: DispatchEvents
  signal: AbortSignal
}

/** One pass over the pairs of a job: the first measurement, or the retest of suspects. */
export type Pass = DispatchJob & {
  /** The round of each pair in the run's plan, from 1. */
  rounds: Int32Array
  /** The number of pairs in each round, from 0. */
  roundSizes: number[]
  /** A retest replaces results. */
  isRetest: boolean
}

/** The values of one pair. `attemptCount` 0 means that it was not tried. */
export type Measured = Pick<PairResult, 'outcome' | 'reason' | 'attemptCount'> & Partial<PairResult>

export type PairSpan = ReturnType<RunTrace['pair']>

export const endpointsOfPair = (
  { endpoints, sources, destinations }: PlannedRun,
  pair: number,
): [source: FleetEndpoint, destination: FleetEndpoint] => [
  endpoints[sources[pair]!]!,
  endpoints[destinations[pair]!]!,
]

/** Returns the addresses to measure a pair between; undefined when its endpoints have none of one family. */
export const addressesOf = (
  run: PlannedRun,
  pair: number,
): { source: string; destination: string } | undefined => {
  const { test } = run.spec
  const family = test.kind === 'iperf' ? test.family : IpFamily.IP_FAMILY_UNSPECIFIED
  return addressesOfPair(...endpointsOfPair(run, pair), family)
}

/** Returns why a pair cannot be measured; undefined when it can. */
export const problemOf = (run: PlannedRun, pair: number): EndpointProblem | undefined => {
  const [source, destination] = endpointsOfPair(run, pair)
  const problem = source.problem ?? destination.problem
  if (problem || addressesOf(run, pair)) return problem
  const reason = `${source.node} and ${destination.node} have no addresses of one family on ${source.interface}`
  return { outcome: Outcome.OUTCOME_NOT_RUN, reason }
}

/** Opens the span of a pair under the span of its round, or of the retest. */
export const openSpan = ({ run, trace, rounds, roundSizes, isRetest }: Pass, pair: number): PairSpan => {
  const [source, destination] = endpointsOfPair(run, pair)
  const round = rounds[pair]!
  const group = isRetest
    ? { name: 'retest', size: run.sources.length }
    : { name: `round ${round}`, size: roundSizes[round - 1]! }
  return trace.pair(group, `${source.node} → ${destination.node} ${source.interface}`, {
    'meshgauge.test': run.spec.test.kind,
    'meshgauge.source': source.node,
    'meshgauge.destination': destination.node,
    'meshgauge.interface': source.interface,
  })
}

/** Reports the result of a pair, and ends its span. */
export const report = (pass: Pass, pair: number, span: PairSpan, measured: Measured): void => {
  const [source, destination] = endpointsOfPair(pass.run, pair)
  const addresses = addressesOf(pass.run, pair)
  span.end(measured.reason)
  const result = createPairResult({
    source: endpointMessage(source, addresses?.source),
    destination: endpointMessage(destination, addresses?.destination),
    ...measured,
    traceId: pass.trace.traceId,
    spanId: span.spanId,
    round: pass.rounds[pair]!,
    sourceSpeedBitsPerSecond: source.speedBitsPerSecond,
    destinationSpeedBitsPerSecond: destination.speedBitsPerSecond,
  })
  pass.events.onResult(withPlausibility(result, pass.run.spec.test))
}
