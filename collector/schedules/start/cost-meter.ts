import { fromTimestamp } from '../../../lib/protobuf-time.ts'
import type { PairResult } from '../../dispatch/pair-result.ts'
import { interfaceKey, type NodeInterface } from '../../inventory/keys.ts'
import { isBidirectional } from '../../plan/caps.ts'
import { PAIR_OVERHEAD_SECONDS, testSeconds } from '../../plan/estimate.ts'
import type { PlannedRun } from '../../plan/plan-run.ts'
import type { RunSpec, RunTest } from '../../plan/run-spec.ts'
import type { Cost } from '../state/budget.ts'

/** Seconds that one pair of a run keeps its interfaces busy, with the overhead of starting and ending the test. */
export const pairSecondsOf = (test: RunTest): number => testSeconds(test) + PAIR_OVERHEAD_SECONDS

/** Adds up the costs of several runs, with the busy time of each interface. Pings do not make an interface busy. */
export class CostMeter {
  #total: Cost = { bytes: 0, busySeconds: 0 }
  #taken: Cost = this.#total
  /** Busy seconds of each interface, by direction. */
  readonly #busy = new Map<string, number>()

  get total(): Cost {
    return this.#total
  }

  /** The costs since the last call. */
  take(): Cost {
    const since = {
      bytes: this.#total.bytes - this.#taken.bytes,
      busySeconds: this.#total.busySeconds - this.#taken.busySeconds,
    }
    this.#taken = this.#total
    return since
  }

  /** Adds the expected costs of a whole run. */
  addPlan({ spec, endpoints, sources, destinations, message }: PlannedRun): void {
    this.#addBytes(message.bytes ?? 0)
    const seconds = pairSecondsOf(spec.test)
    const [sent, received] = [new Uint32Array(endpoints.length), new Uint32Array(endpoints.length)]
    for (const endpoint of sources) sent[endpoint]!++
    for (const endpoint of destinations) received[endpoint]!++
    for (const [index, endpoint] of endpoints.entries()) {
      this.#addBusy(spec.test, 'tx', endpoint, sent[index]! * seconds)
      this.#addBusy(spec.test, 'rx', endpoint, received[index]! * seconds)
    }
  }

  /** Adds the measured costs of pairs. */
  addResults({ test }: RunSpec, results: readonly PairResult[]): void {
    for (const { values, source, destination, startTime, endTime } of results) {
      if (values?.kind === 'iperf') this.#addBytes(values.sentBytes ?? values.receivedBytes ?? 0)
      if (!startTime || !endTime) continue
      const milliseconds = fromTimestamp(endTime).getTime() - fromTimestamp(startTime).getTime()
      const seconds = Math.max(0, milliseconds / 1000)
      this.#addBusy(test, 'tx', source, seconds)
      this.#addBusy(test, 'rx', destination, seconds)
    }
  }

  #addBytes(bytes: number): void {
    this.#total = { ...this.#total, bytes: this.#total.bytes + bytes }
  }

  /** A bidirectional test makes its interfaces busy in both directions. */
  #addBusy(
    test: RunTest,
    direction: 'tx' | 'rx',
    endpoint: NodeInterface | undefined,
    seconds: number,
  ): void {
    if (test.kind === 'ping' || seconds === 0) return
    const key = `${isBidirectional(test) ? '' : direction} ${endpoint ? interfaceKey(endpoint) : ''}`
    const sum = (this.#busy.get(key) ?? 0) + seconds
    this.#busy.set(key, sum)
    this.#total = { ...this.#total, busySeconds: Math.max(this.#total.busySeconds, sum) }
  }
}
