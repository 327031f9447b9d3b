import type { CheckResult } from '#proto/meshgauge/agent/v1/check.ts'
import type { CheckRecord } from '#proto/meshgauge/collector/v1/health.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Store } from '../store/store.ts'
import type { Parameters } from './coverage.ts'
import { remember } from './severity.ts'

/** Results of many nodes come together: one transaction for all of so long. Short, because callers wait for it. */
const FLUSH_SECONDS = 0.02

type Waiting = {
  node: string
  result: CheckResult
  parameters: Parameters
  resolve(record: CheckRecord): void
  reject(error: unknown): void
}

/** Takes results of checks to the store. Nobody is told of a result before it is durable. */
export const createRecorder = (deps: {
  clock: Clock
  store: Pick<Store, 'checks' | 'putChecks'>
  onRecorded(node: string, record: CheckRecord): void
}) => {
  let waiting: Waiting[] = []

  const flush = () => {
    const batch = waiting
    waiting = []
    try {
      const known = new Map<string, CheckRecord>()
      const keyOf = (node: string, check: string) => `${node}\0${check}`
      for (const node of new Set(batch.map((each) => each.node)))
        for (const { record } of deps.store.checks(node))
          known.set(keyOf(node, record.result?.check ?? ''), record)
      const records = batch.map(({ node, result, parameters }) => {
        const key = keyOf(node, result.check)
        const record = remember(known.get(key), result, parameters, deps.clock.now())
        known.set(key, record)
        return record
      })
      deps.store.putChecks(batch.map(({ node }, index) => ({ node, record: records[index]! })))
      for (const [index, { node, resolve }] of batch.entries()) {
        deps.onRecorded(node, records[index]!)
        resolve(records[index]!)
      }
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }

  return {
    /** @throws OperatingError STORE_UNAVAILABLE; then nothing was kept */
    record: (node: string, result: CheckResult, parameters: Parameters): Promise<CheckRecord> =>
      new Promise((resolve, reject) => {
        waiting.push({ node, result, parameters, resolve, reject })
        // The first of a batch starts the clock; without a signal the sleep cannot fail.
        if (waiting.length === 1) void deps.clock.sleep(FLUSH_SECONDS).then(flush)
      }),
  }
}

export type Recorder = ReturnType<typeof createRecorder>
