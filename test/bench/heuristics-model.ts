/** Simulated measurements on a model fabric, for heuristics.bench.ts. */

import { iperfResult, LINE_RATE, nodeName, pingResult } from '../../collector/diagnosis/testing/model.ts'
import type { CulpritKind, FaultDirection } from '../../collector/diagnosis/verdict.ts'
import type { PairResult } from '../../collector/dispatch/pair-result.ts'
import { type Random, shuffle } from '../../collector/topology/random.ts'
import type { NodePairs } from '../../collector/topology/topology.ts'

/** What a verdict must name to be true. */
export type Culprit = {
  kind: CulpritKind
  node?: string
  peer?: string
  rack?: string
  /** Any direction when absent. */
  directions?: readonly FaultDirection[]
}

export type Measure = (source: number, destination: number, attempt: number) => PairResult

type Trial = {
  faults: Culprit[]
  racks: Map<string, string>
  pairs: NodePairs
  measure: Measure
}

export type Scenario = { name: string; nodes: number; create(random: Random): Trial }

const RACK_SIZE = 8
export const TX = 'tx'
export const RX = 'rx'

const normal = (random: Random): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())

export const choose = (nodes: number, count: number, random: Random): number[] =>
  shuffle(
    Array.from({ length: nodes }, (_, index) => index),
    random,
  ).slice(0, count)

export const rackName = (node: number): string => `r${Math.floor(node / RACK_SIZE)}`
export const racksOf = (nodes: number): Map<string, string> =>
  new Map(Array.from({ length: nodes }, (_, node) => [nodeName(node), rackName(node)]))

export const onInterface = (node: number, directions?: readonly FaultDirection[]): Culprit => ({
  kind: 'interface',
  node: nodeName(node),
  ...(directions && { directions }),
})

/** An iperf whose pairs reach `share` of the line rate, with measurement noise and ECMP collisions that halve a flow. */
export const iperf =
  (
    random: Random,
    share: (source: number, destination: number) => number,
    noise = 0.02,
    collisions = 0.1,
  ): Measure =>
  (source, destination, attempt) => {
    const collision = random() < collisions ? 0.5 : 1
    const rate =
      LINE_RATE * share(source, destination) * collision * Math.max(0.01, 1 + noise * normal(random))
    return iperfResult(source, destination, Math.round(rate), { attemptCount: attempt })
  }

/** A ping of `sent` probes that are each lost with the probability of the pair. */
export const ping =
  (
    random: Random,
    loss: (source: number, destination: number) => number,
    sent: number,
    rtt?: Measured,
  ): Measure =>
  (source, destination, attempt) => {
    let lost = 0
    for (let probe = 0; probe < sent; probe++) if (random() < loss(source, destination)) lost++
    const seconds = (rtt?.(source, destination) ?? 0.0001) * (1 + 0.1 * Math.abs(normal(random)))
    return pingResult(source, destination, lost, sent, seconds, attempt)
  }

type Measured = (source: number, destination: number) => number
