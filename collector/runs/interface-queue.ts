/**
 * Lets runs that want the same interfaces wait for each other, first come first served. A run that wants others may
 * overtake: it takes nothing from those before it.
 */
export const createInterfaceQueue = () => {
  type Entry = { wants: ReadonlySet<string>; start: () => void; started: boolean }
  const entries: Entry[] = []

  const startWhatCan = () => {
    const claimed = new Set<string>()
    for (const entry of entries) {
      const free = [...entry.wants].every((want) => !claimed.has(want))
      for (const want of entry.wants) claimed.add(want)
      if (entry.started || !free) continue
      entry.started = true
      entry.start()
    }
  }

  return {
    /** What belongs to those who have entered. */
    held: (): Set<string> => new Set(entries.flatMap(({ started, wants }) => (started ? [...wants] : []))),
    /** How many wait. */
    waiting: () => entries.filter(({ started }) => !started).length,
    /**
     * Resolves when everything wanted is free and now belongs to the caller, who must call what it gets to give it
     * back. Rejects with the signal's reason when that aborts first.
     */
    async enter(wants: ReadonlySet<string>, signal: AbortSignal): Promise<() => void> {
      signal.throwIfAborted()
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const entry: Entry = { wants, start: resolve, started: false }
      const leave = () => {
        const index = entries.indexOf(entry)
        if (index >= 0) entries.splice(index, 1)
        startWhatCan()
      }
      const abort = () => reject(signal.reason)
      signal.addEventListener('abort', abort, { once: true })
      entries.push(entry)
      startWhatCan()
      try {
        await promise
        return leave
      } catch (error) {
        leave()
        throw error
      } finally {
        signal.removeEventListener('abort', abort)
      }
    },
  }
}

export type InterfaceQueue = ReturnType<typeof createInterfaceQueue>
