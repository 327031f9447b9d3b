import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { Endpoint, PairResult } from '#proto/meshgauge/collector/v1/result.ts'

/** Results of one interface of one node, as the end that sends (tx) or receives (rx). */
export type InterfaceDirection = {
  node: string
  interface: string
  direction: 'tx' | 'rx'
  results: PairResult[]
  /** Nodes at the other end of measured pairs. */
  measuredPeers: Set<string>
}

export const isMeasured = ({ outcome }: PairResult): boolean => outcome === Outcome.OUTCOME_MEASURED

/** It was tried and the network or the peer let it down; INVALID and NOT_RUN accuse nobody. */
export const isFailed = ({ outcome }: PairResult): boolean =>
  outcome === Outcome.OUTCOME_UNREACHABLE ||
  outcome === Outcome.OUTCOME_REFUSED ||
  outcome === Outcome.OUTCOME_TIMED_OUT

/** Of numbers in rising order; at least one. */
export const median = (sorted: readonly number[]): number => {
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Groups results by the ends they touch; what was never begun touches none. */
export const interfaceDirectionsOf = (results: readonly PairResult[]): InterfaceDirection[] => {
  const ends = new Map<string, InterfaceDirection>()
  const add = (
    { node, interface: name }: Endpoint,
    direction: 'tx' | 'rx',
    peer: string,
    result: PairResult,
  ) => {
    const key = [node, name, direction].join('\u0000')
    const end = ends.get(key) ?? {
      node,
      interface: name,
      direction,
      results: [],
      measuredPeers: new Set<string>(),
    }
    ends.set(key, end)
    end.results.push(result)
    if (isMeasured(result)) end.measuredPeers.add(peer)
  }
  for (const result of results) {
    const { source, destination, outcome } = result
    if (!source || !destination || outcome === Outcome.OUTCOME_NOT_RUN) continue
    add(source, 'tx', destination.node, result)
    add(destination, 'rx', source.node, result)
  }
  return [...ends.values()]
}

/** Probes over all of the results; INVALID ones do not count. Undefined when none was sent. */
export const lossOf = (results: readonly PairResult[]): number | undefined => {
  let [sent, received] = [0, 0]
  for (const result of results) {
    if (result.values?.$case !== 'ping' || !(isMeasured(result) || isFailed(result))) continue
    sent += result.values.value.sentCount
    received += result.values.value.receivedCount
  }
  return sent === 0 ? undefined : (sent - received) / sent
}

/** What the receiving end counted; undefined unless it was measured. */
export const throughputOf = (result: PairResult): number | undefined =>
  isMeasured(result) && result.values?.$case === 'iperf' ? result.values.value.bitsPerSecond : undefined
