import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { Endpoint } from '#proto/meshgauge/collector/v1/result.ts'
import { isFailed, isMeasured } from '../../dispatch/outcomes.ts'
import type { PairResult } from '../../dispatch/pair-result.ts'
import { interfaceKey } from '../../inventory/keys.ts'

/** The results of one interface in one direction: as the sender (tx) or the receiver (rx). */
export type InterfaceDirection = {
  node: string
  interface: string
  direction: 'tx' | 'rx'
  results: PairResult[]
}

/** Groups results by interface and direction. Pairs that were not run are left out. */
export const interfaceDirectionsOf = (results: readonly PairResult[]): InterfaceDirection[] => {
  const directions = new Map<string, InterfaceDirection>()
  const add = (end: Endpoint, direction: 'tx' | 'rx', result: PairResult) => {
    const key = `${interfaceKey(end)} ${direction}`
    const known = directions.get(key)
    if (known) known.results.push(result)
    else directions.set(key, { node: end.node, interface: end.interface, direction, results: [result] })
  }
  for (const result of results) {
    const { source, destination, outcome } = result
    if (outcome === Outcome.OUTCOME_NOT_RUN) continue
    add(source, 'tx', result)
    add(destination, 'rx', result)
  }
  return [...directions.values()]
}

/** Returns the loss ratio over all results except INVALID ones; undefined when no probe was sent. */
export const lossOf = (results: readonly PairResult[]): number | undefined => {
  let [sent, received] = [0, 0]
  for (const result of results) {
    if (result.values?.kind !== 'ping' || !(isMeasured(result) || isFailed(result))) continue
    sent += result.values.sentCount
    received += result.values.receivedCount
  }
  return sent === 0 ? undefined : (sent - received) / sent
}

/** Returns the throughput that the receiver counted, in bits per second; undefined when it was not measured. */
export const throughputOf = (result: PairResult): number | undefined =>
  isMeasured(result) && result.values?.kind === 'iperf' ? result.values.bitsPerSecond : undefined
