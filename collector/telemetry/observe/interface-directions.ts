import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { Endpoint, PairResult } from '#proto/meshgauge/collector/v1/result.ts'

/** The results of one interface in one direction: as the sender (tx) or the receiver (rx). */
export type InterfaceDirection = {
  node: string
  interface: string
  direction: 'tx' | 'rx'
  results: PairResult[]
  /** The nodes at the other end of measured pairs. */
  measuredPeers: Set<string>
}

export const isMeasured = ({ outcome }: PairResult): boolean => outcome === Outcome.OUTCOME_MEASURED

/** Whether the pair was tested and failed in the network or at the peer. INVALID and NOT_RUN are no such failure. */
export const isFailed = ({ outcome }: PairResult): boolean =>
  outcome === Outcome.OUTCOME_UNREACHABLE ||
  outcome === Outcome.OUTCOME_REFUSED ||
  outcome === Outcome.OUTCOME_TIMED_OUT

/** Returns the median of at least one number in ascending order. */
export const median = (sorted: readonly number[]): number => {
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Groups results by interface and direction. Pairs that were not run are left out. */
export const interfaceDirectionsOf = (results: readonly PairResult[]): InterfaceDirection[] => {
  const directions = new Map<string, InterfaceDirection>()
  const add = (
    { node, interface: name }: Endpoint,
    direction: 'tx' | 'rx',
    peer: string,
    result: PairResult,
  ) => {
    const key = [node, name, direction].join('\u0000')
    const known = directions.get(key) ?? {
      node,
      interface: name,
      direction,
      results: [],
      measuredPeers: new Set<string>(),
    }
    directions.set(key, known)
    known.results.push(result)
    if (isMeasured(result)) known.measuredPeers.add(peer)
  }
  for (const result of results) {
    const { source, destination, outcome } = result
    if (!source || !destination || outcome === Outcome.OUTCOME_NOT_RUN) continue
    add(source, 'tx', destination.node, result)
    add(destination, 'rx', source.node, result)
  }
  return [...directions.values()]
}

/** Returns the loss ratio over all results except INVALID ones; undefined when no probe was sent. */
export const lossOf = (results: readonly PairResult[]): number | undefined => {
  let [sent, received] = [0, 0]
  for (const result of results) {
    if (result.values?.$case !== 'ping' || !(isMeasured(result) || isFailed(result))) continue
    sent += result.values.value.sentCount
    received += result.values.value.receivedCount
  }
  return sent === 0 ? undefined : (sent - received) / sent
}

/** Returns the throughput that the receiver counted, in bits per second; undefined when it was not measured. */
export const throughputOf = (result: PairResult): number | undefined =>
  isMeasured(result) && result.values?.$case === 'iperf' ? result.values.value.bitsPerSecond : undefined
