import type { PairResult } from '../dispatch/pair-result.ts'
import type { Run } from '../store/run.ts'

/** A run as it is now, with the results since the previous update. */
export type RunUpdate = { run: Run; results: PairResult[] }

/** Most results that wait for one watcher; further ones are dropped from its stream. The store has them all. */
const MAX_WAITING_RESULTS = 10_000

/**
 * Publishes the updates of one run. Each watcher has its own queue, so a slow one does not delay the others.
 * @param current returns the run as it is now
 * @param onDropped receives the number of results that a slow watcher does not receive
 */
export const createWatchers = (current: () => Run, onDropped: (count: number) => void) => {
  type Watcher = { results: PairResult[]; changed: boolean; wake: () => void }
  const watchers = new Set<Watcher>()
  let ended = false
  const wakeAll = () => {
    for (const watcher of watchers) {
      watcher.changed = true
      watcher.wake()
    }
  }
  return {
    /** Queues results for every watcher and wakes them. */
    publish(results: readonly PairResult[]): void {
      for (const watcher of watchers) {
        const accepted = results.slice(0, MAX_WAITING_RESULTS - watcher.results.length)
        watcher.results.push(...accepted)
        if (accepted.length < results.length) onDropped(results.length - accepted.length)
      }
      wakeAll()
    },
    /** The run has its final state. */
    end(): void {
      ended = true
      wakeAll()
    },
    /** Yields the current run, then each update. Ends after the update that follows `end`. */
    async *watch(signal: AbortSignal): AsyncGenerator<RunUpdate> {
      const watcher: Watcher = { results: [], changed: true, wake: () => undefined }
      watchers.add(watcher)
      const abort = () => watcher.wake()
      signal.addEventListener('abort', abort, { once: true })
      try {
        while (true) {
          signal.throwIfAborted()
          if (watcher.changed) {
            const last = ended
            const { results } = watcher
            watcher.results = []
            watcher.changed = false
            yield { run: current(), results }
            if (last) return
            continue
          }
          await new Promise<void>((resolve) => {
            watcher.wake = resolve
          })
        }
      } finally {
        signal.removeEventListener('abort', abort)
        watchers.delete(watcher)
      }
    },
  }
}
