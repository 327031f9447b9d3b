import { IperfResult } from '#proto/meshgauge/agent/v1/iperf.ts'
import { PingStatistics } from '#proto/meshgauge/agent/v1/ping.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { toDuration } from '../../../lib/protobuf-time.ts'
import { createPairResult, type PairResult } from '../../dispatch/pair-result.ts'
import { pairKey } from '../../inventory/keys.ts'
import { createRandom, type Random } from '../../topology/random.ts'
import { type NodePairs, shiftPairs } from '../../topology/topology.ts'
import { betterResult } from '../better-result.ts'
import { diagnose } from '../diagnosis.ts'
import { judgeRun, type RunEvidence, type RunJudgement } from '../run-judgement.ts'
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
export const normal = (random: Random): number =>
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
  const run = (source: number, destination: number, attempt: number) => {
    const key = `${nodeName(source)} ${nodeName(destination)}`
    const earlier = latest.get(key)
    const result = measure(fabric, source, destination, 1, random)
    latest.set(key, earlier && attempt > 1 ? betterResult(earlier, result) : result)
  }
  for (const [pair, source] of pairs.sources.entries()) run(source, pairs.destinations[pair]!, 1)
  for (const attempt of [2, 3]) {
    const { suspects } = diagnose({ results: [...latest.values()] })
    for (const { source, destination } of suspects.slice(0, maxRetests))
      run(indexOfNode(source.node), indexOfNode(destination.node), attempt)
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

/** Racks of the given size, in the order of the nodes: r1, r2 and so on. */
export const racksOf = (count: number, size: number): Map<string, string> =>
  new Map(Array.from({ length: count }, (_, node) => [nodeName(node), `r${Math.floor(node / size) + 1}`]))

/**
 * Judges a run whose pairs reach the given rates in bits per second, with noise: measures all pairs, measures the
 * suspects again, and judges the results.
 */
export const judgeNoisy = (
  count: number,
  rateOf: (source: number, destination: number) => number,
  { seed = 1, noise = 0.05, ...rest }: { seed?: number; noise?: number } & Partial<RunEvidence>,
): RunJudgement => {
  const random = createRandom(seed)
  const measureOnce = (source: number, destination: number, attemptCount: number): PairResult => {
    const rate = rateOf(source, destination) * Math.max(0.05, 1 + noise * normal(random))
    return iperfResult(source, destination, Math.round(rate), { attemptCount })
  }
  let results = meshResults(count, (source, destination) => measureOnce(source, destination, 1))
  for (const _ of [2, 3]) {
    const suspects = new Set(
      diagnose({ results, ...rest }).suspects.map(({ source, destination }) => pairKey(source, destination)),
    )
    results = results.map((result) => {
      if (!suspects.has(pairKey(result.source, result.destination))) return result
      const [source, destination] = [result.source, result.destination].map(({ node }) => indexOfNode(node))
      return betterResult(result, measureOnce(source!, destination!, 1))
    })
  }
  return judgeRun({ results, requestedCount: results.length, ...rest })
}

const indexOfNode = (name: string): number => Number(name.slice('node-'.length)) - 1
