import type { CheckResult } from '#proto/meshgauge/agent/v1/check.ts'
import type { CheckRecord } from '#proto/meshgauge/collector/v1/health.ts'
import type { Clock } from '../../../lib/clock.ts'
import type { Store } from '../../store/store.ts'
import type { CheckParameters } from '../assign/check-parameters.ts'
import { addResult } from './findings.ts'

/** Results within this time share one transaction. Short, because callers wait for it. */
const FLUSH_SECONDS = 0.02

export type CheckRecorderDeps = {
  clock: Clock
  store: Pick<Store, 'checks' | 'putChecks'>
  onRecorded(node: string, record: CheckRecord): void
}

type WaitingResult = {
  node: string
  result: CheckResult
  parameters: CheckParameters
  resolve(record: CheckRecord): void
  reject(error: unknown): void
}

/** Stores the results of checks. A result is reported only when it is durable. */
export class CheckRecorder {
  readonly #deps: CheckRecorderDeps
  #waiting: WaitingResult[] = []

  constructor(deps: CheckRecorderDeps) {
    this.#deps = deps
  }

  /** @throws OperatingError STORE_UNAVAILABLE; then nothing was stored */
  record(node: string, result: CheckResult, parameters: CheckParameters): Promise<CheckRecord> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ node, result, parameters, resolve, reject })
      // The first result of a batch starts the timer. A sleep without a signal cannot fail.
      if (this.#waiting.length === 1) void this.#deps.clock.sleep(FLUSH_SECONDS).then(() => this.#flush())
    })
  }

  #flush(): void {
    const { store, onRecorded } = this.#deps
    const batch = this.#waiting
    this.#waiting = []
    try {
      const records = this.#recordsOf(batch)
      store.putChecks(batch.map(({ node }, index) => ({ node, record: records[index]! })))
      for (const [index, { node, resolve }] of batch.entries()) {
        onRecorded(node, records[index]!)
        resolve(records[index]!)
      }
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }

  /** The new record of each result. A batch may contain several results of one check. */
  #recordsOf(batch: readonly WaitingResult[]): CheckRecord[] {
    const { store, clock } = this.#deps
    const keyOf = (node: string, check: string) => `${node}\0${check}`
    const current = new Map<string, CheckRecord>()
    for (const node of new Set(batch.map((each) => each.node)))
      for (const { record } of store.checks(node))
        current.set(keyOf(node, record.result?.check ?? ''), record)
    return batch.map(({ node, result, parameters }) => {
      const key = keyOf(node, result.check)
      const record = addResult(current.get(key), result, parameters, clock.now())
      current.set(key, record)
      return record
    })
  }
}
