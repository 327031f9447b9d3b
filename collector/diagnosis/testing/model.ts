import { IperfResult } from '#proto/meshgauge/agent/v1/iperf.ts'
import { PingStatistics } from '#proto/meshgauge/agent/v1/ping.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { toDuration } from '../../../lib/protobuf-time.ts'
import { createPairResult, type PairResult } from '../../dispatch/pair-result.ts'
import type { Random } from '../../topology/random.ts'
import { type NodePairs, shiftPairs } from '../../topology/topology.ts'
import { diagnose } from '../diagnosis.ts'
import type { Verdict } from '../verdict.ts'

/** Line rate of a healthy interface, in bits per second. */
export const LINE_RATE = 10e9

export const nodeName = (index: number): string => `node-${index + 1}`

export const meshOf = (count: number): NodePairs =>
  shiftPairs(
    count,
    Array.from({ length: count - 1 }, (_, index) => index + 1),
  )

const endpointOf = (index: number) => ({ node: nodeName(index), interface: 'net1', address: '' })

export const iperfResult = (
  source: number,
  destination: number,
  bitsPerSecond: number,
  more: Partial<PairResult> = {},
): PairResult =>
  createPairResult({
    source: endpointOf(source),
    destination: endpointOf(destination),
    outcome: Outcome.OUTCOME_MEASURED,
    attemptCount: 1,
    values: {
      kind: 'iperf',
      ...IperfResult.fromPartial({ outcome: Outcome.OUTCOME_MEASURED, bitsPerSecond }),
    },
    ...more,
  })

export const failedResult = (source: number, destination: number, attemptCount = 1): PairResult =>
  createPairResult({
    source: endpointOf(source),
    destination: endpointOf(destination),
    outcome: Outcome.OUTCOME_UNREACHABLE,
    reason: 'no route to host',
    attemptCount,
  })

export const pingResult = (
  source: number,
  destination: number,
  lost: number,
  sent: number,
  rttSeconds = 0.0001,
  attemptCount = 1,
): PairResult =>
  createPairResult({
    source: endpointOf(source),
    destination: endpointOf(destination),
    outcome: lost === sent ? Outcome.OUTCOME_UNREACHABLE : Outcome.OUTCOME_MEASURED,
    attemptCount,
    values: {
      kind: 'ping',
      ...PingStatistics.fromPartial({
        sentCount: sent,
        receivedCount: sent - lost,
        lossRatio: lost / sent,
        rtt: lost === sent ? undefined : { p50: toDuration(rttSeconds) },
      }),
    },
  })

/** A fault of one node in one direction: the remaining ratio of the line rate. */
export type NodeFault = { node: number; direction: 'tx' | 'rx'; share: number }

export type ModelFabric = {
  /** Ratio of the line rate that each node can send and receive. */
  tx: Float64Array
  rx: Float64Array
  /** Relative standard deviation of one measurement. */
  noise: number
  /** Probability of an ECMP collision, which halves the rate of a flow. */
  collisions: number
}

export const createModelFabric = (
  count: number,
  faults: readonly NodeFault[],
  noise: number,
  collisions: number,
): ModelFabric => {
  const fabric = {
    tx: new Float64Array(count).fill(1),
    rx: new Float64Array(count).fill(1),
    noise,
    collisions,
  }
  for (const { node, direction, share } of faults) fabric[direction][node] = share
  return fabric
}

/** Returns a normally distributed number (Box and Muller). */
const normal = (random: Random): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())

const measure = (
  fabric: ModelFabric,
  source: number,
  destination: number,
  attempt: number,
  random: Random,
): PairResult => {
  const capacity = Math.min(fabric.tx[source]!, fabric.rx[destination]!)
  const collision = random() < fabric.collisions ? 0.5 : 1
  const rate = LINE_RATE * capacity * collision * (1 + fabric.noise * normal(random))
  return iperfResult(source, destination, Math.round(rate), { attemptCount: attempt })
}

/** Measures all pairs, measures the suspects again, and returns the verdicts. */
export const diagnoseFabric = (
  fabric: ModelFabric,
  pairs: NodePairs,
  random: Random,
  maxRetests = Infinity,
): Verdict[] => {
  const latest = new Map<string, PairResult>()
  const run = (source: number, destination: number, attempt: number) =>
    latest.set(
      `${nodeName(source)} ${nodeName(destination)}`,
      measure(fabric, source, destination, attempt, random),
    )
  for (const [pair, source] of pairs.sources.entries()) run(source, pairs.destinations[pair]!, 1)
  const indexOf = (name: string) => Number(name.slice('node-'.length)) - 1
  const { suspects } = diagnose({ results: [...latest.values()] })
  for (const { source, destination } of suspects.slice(0, maxRetests)) {
    run(indexOf(source.node), indexOf(destination.node), 2)
  }
  return diagnose({ results: [...latest.values()] }).verdicts
}

/** Returns one result for each pair of a mesh. */
export const meshResults = (
  count: number,
  resultOf: (source: number, destination: number) => PairResult,
): PairResult[] => {
  const { sources, destinations } = meshOf(count)
  return [...sources].map((source, pair) => resultOf(source, destinations[pair]!))
}

export const retried = (result: PairResult): PairResult => ({ ...result, attemptCount: 2 })

export const messages = (results: PairResult[], racks?: ReadonlyMap<string, string>): string[] =>
  diagnose({ results, ...(racks && { racks }) }).verdicts.map(({ message }) => message)
