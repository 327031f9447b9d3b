import { interfaceKey } from '../inventory/keys.ts'
import type { PlannedRun } from '../plan/plan-run.ts'

/** Returns the keys of the interfaces that a run needs exclusively: all of an iperf run, none of a ping run. */
export const exclusiveInterfacesOf = ({
  spec,
  endpoints,
  sources,
  destinations,
}: PlannedRun): Set<string> => {
  if (spec.test.kind === 'ping') return new Set()
  const used = new Set([...sources, ...destinations])
  return new Set([...used].map((endpoint) => interfaceKey(endpoints[endpoint]!)))
}

type Entry = { interfaces: ReadonlySet<string>; start: () => void; isStarted: boolean }

/**
 * Serialises runs that need the same interfaces, first come first served. A run may overtake others that wait when it
 * needs none of their interfaces.
 */
export class InterfaceQueue {
  readonly #entries: Entry[] = []

  /** Returns the keys of the interfaces that started runs use exclusively. */
  acquired(): Set<string> {
    const started = this.#entries.filter(({ isStarted }) => isStarted)
    return new Set(started.flatMap(({ interfaces }) => [...interfaces]))
  }

  waitingCount(): number {
    return this.#entries.filter(({ isStarted }) => !isStarted).length
  }

  /**
   * Waits until all the interfaces are free.
   * @returns a function that the caller must call to release them
   * @throws the signal's reason when it aborts first
   */
  async acquire(interfaces: ReadonlySet<string>, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const entry: Entry = { interfaces, start: resolve, isStarted: false }
    const release = () => {
      const index = this.#entries.indexOf(entry)
      if (index >= 0) this.#entries.splice(index, 1)
      this.#startReady()
    }
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    this.#entries.push(entry)
    this.#startReady()
    try {
      await promise
      return release
    } catch (error) {
      release()
      throw error
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  #startReady(): void {
    const claimed = new Set<string>()
    for (const entry of this.#entries) {
      const isFree = [...entry.interfaces].every((key) => !claimed.has(key))
      for (const key of entry.interfaces) claimed.add(key)
      if (entry.isStarted || !isFree) continue
      entry.isStarted = true
      entry.start()
    }
  }
}
