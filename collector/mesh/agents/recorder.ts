import type { MeshEvent } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Clock } from '../../../lib/clock.ts'
import { OperatingError } from '../../../lib/errors.ts'
import type { Logger } from '../../../lib/logging.ts'
import type { Window, WindowStore } from '../../store/windows.ts'

/** Time between two transactions. */
const FLUSH_SECONDS = 1
/** Windows that start a transaction early: 4,000 rows block the event loop for about 10 ms. */
const FLUSH_WINDOWS = 4_000
/** Bound of the windows in memory while the store fails: about 8 MB. Further batches stay with the agents. */
const MAX_WINDOWS = 200_000
/** Bound of the events in memory. The oldest are dropped, with a log line; hold times keep events rare. */
const MAX_EVENTS = 20_000

/** Receives what became of the batches of one agent. */
export type BatchSender = {
  /** All batches of the session up to this sequence number are stored. */
  onStored(session: string, sequence: number): void
  /** An earlier batch was refused for lack of space; now there is space again. */
  onSpace(): void
}

const moved = (window: Window, byMs: number): Window => ({
  ...window,
  startMs: window.startMs + byMs,
  endMs: window.endMs + byMs,
})

type Deps = {
  clock: Clock
  logger: Logger
  store: Pick<WindowStore, 'windowBatch'>
  /** Milliseconds from mesh time to the wall clock. */
  shiftMs: () => number
  /** Writes the agents' persisted state. Called first: the times of windows depend on the stored clock offsets. */
  flushPersisted: () => void
}

/**
 * Writes windows and events to the store, one transaction per FLUSH_SECONDS, and reports batches as stored only after
 * that. While the store fails, everything is kept up to the bounds and written later.
 */
export const createRecorder = (deps: Deps) => {
  let windows = deps.store.windowBatch()
  let events: MeshEvent[] = []
  /** By sender, its last accepted batch that is not stored yet. */
  const accepted = new Map<BatchSender, { session: string; sequence: number }>()
  const refused = new Set<BatchSender>()
  const stop = new AbortController()
  let failure: OperatingError | undefined

  const flush = (): void => {
    deps.flushPersisted()
    if (windows.count() === 0 && events.length === 0 && accepted.size === 0) return
    try {
      if (windows.count() > 0 || events.length > 0) windows.put(events)
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error
      if (!failure) deps.logger.error({ reason: error.message }, 'windows of the mesh wait for the store')
      failure = error
      return
    }
    failure = undefined
    windows = deps.store.windowBatch()
    events = []
    const stored = [...accepted]
    accepted.clear()
    for (const [sender, { session, sequence }] of stored) sender.onStored(session, sequence)
    const waiting = [...refused]
    refused.clear()
    for (const sender of waiting) sender.onSpace()
  }
  const flushing = (async () => {
    while (!stop.signal.aborted) {
      await deps.clock.sleep(FLUSH_SECONDS, stop.signal).catch(() => undefined)
      flush()
    }
  })()

  return {
    /**
     * Accepts all windows of a batch or none.
     * @returns whether they were accepted; otherwise `onSpace` of the sender is called when there is space
     */
    add(batch: readonly Window[], sender: BatchSender, session: string, sequence: number): boolean {
      if (windows.count() + batch.length > MAX_WINDOWS) {
        refused.add(sender)
        return false
      }
      const shift = deps.shiftMs()
      windows.add(shift === 0 ? batch : batch.map((window) => moved(window, shift)))
      accepted.set(sender, { session, sequence })
      if (windows.count() >= FLUSH_WINDOWS && !failure) flush()
      return true
    },
    addEvent(event: MeshEvent): void {
      events.push(event)
      if (events.length <= MAX_EVENTS) return
      deps.logger.error({ lost: events.length - MAX_EVENTS }, 'events of the mesh were lost: the store fails')
      events = events.slice(-MAX_EVENTS)
    },
    /** Returns the number of windows that are not stored yet. */
    depth: (): number => windows.count(),
    /** Returns why windows are not stored; empty when they are. */
    problems: (): string[] => {
      if (!failure) return []
      const count = windows.count()
      const waiting = count === 1 ? '1 window of the mesh waits' : `${count} windows of the mesh wait`
      return [`${waiting} for the store: ${failure.message}`]
    },
    flush,
    /** Removes a sender, which then receives no more calls. */
    forget: (sender: BatchSender): void => {
      accepted.delete(sender)
      refused.delete(sender)
    },
    async close(): Promise<void> {
      stop.abort()
      await flushing
      flush()
    },
  }
}

export type Recorder = ReturnType<typeof createRecorder>
