import type { PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import type { Run } from '#proto/meshgauge/collector/v1/run.ts'

/** A watcher that does not read loses results beyond so many from its stream; the store has them all. */
const MAX_WAITING_RESULTS = 10_000

/**
 * Those who follow one run. Each has a queue of its own, so that a slow one holds up nobody.
 * @param onDropped is told how many results a slow one will not be told of
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
    tell(results: readonly PairResult[]): void {
      for (const watcher of watchers) {
        const told = results.slice(0, MAX_WAITING_RESULTS - watcher.results.length)
        watcher.results.push(...told)
        if (told.length < results.length) onDropped(results.length - told.length)
      }
      wakeAll()
    },
    end(): void {
      ended = true
      wakeAll()
    },
    async *watch(signal: AbortSignal): AsyncGenerator<{ run: Run; results: PairResult[] }> {
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
