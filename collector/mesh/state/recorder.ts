import type { MeshEvent } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Clock } from '../../../lib/clock.ts'
import { OperatingError } from '../../../lib/errors.ts'
import type { Logger } from '../../../lib/logging.ts'
import type { Window, WindowStore } from '../../store/windows.ts'

/** One transaction for all windows of so long, or of so many: 4,000 rows hold the event loop for about 10 ms. */
const TICK_SECONDS = 1
const TICK_WINDOWS = 4_000
/** What waits while the store fails: about 8 MB. What comes beyond is left with the agents, which hold it themselves. */
const MAX_WINDOWS = 200_000
/** Events are few by design (flapping paths are held down); beyond so many the oldest are lost, and that is logged. */
const MAX_EVENTS = 20_000

/** Who is told when its batches are safe. */
export type Sender = {
  /** Every batch of the session up to this one is stored. */
  onStored(session: string, sequence: number): void
  /** Batches were left unstored for want of room, and there is room again. */
  onRoom(): void
}

const moved = (window: Window, byMs: number): Window => ({
  ...window,
  startMs: window.startMs + byMs,
  endMs: window.endMs + byMs,
})

/**
 * Takes windows and events to the store, one transaction a tick, and says what is safe only then. When the store fails
 * all is kept up to a bound and tried again.
 */
export const createRecorder = (deps: {
  clock: Clock
  logger: Logger
  store: Pick<WindowStore, 'parcel'>
  /** From the times of windows to the time of day. */
  shiftMs: () => number
  /** Makes durable by what the windows were placed, before they are. */
  flushKept: () => void
}) => {
  let windows = deps.store.parcel()
  let events: MeshEvent[] = []
  const marks = new Map<Sender, { session: string; sequence: number }>()
  const refused = new Set<Sender>()
  const stop = new AbortController()
  let failure: OperatingError | undefined

  const flush = (): void => {
    deps.flushKept()
    if (windows.count() === 0 && events.length === 0 && marks.size === 0) return
    try {
      if (windows.count() > 0 || events.length > 0) windows.put(events)
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error
      if (!failure) deps.logger.error({ reason: error.message }, 'windows of the mesh wait for the store')
      failure = error
      return
    }
    failure = undefined
    windows = deps.store.parcel()
    events = []
    const stored = [...marks]
    marks.clear()
    for (const [sender, { session, sequence }] of stored) sender.onStored(session, sequence)
    const waiting = [...refused]
    refused.clear()
    for (const sender of waiting) sender.onRoom()
  }
  const ticking = (async () => {
    while (!stop.signal.aborted) {
      await deps.clock.sleep(TICK_SECONDS, stop.signal).catch(() => undefined)
      flush()
    }
  })()

  return {
    /**
     * Takes a batch, whole or not at all.
     * @returns whether it was taken; otherwise the sender is told when there is room
     */
    add(batch: readonly Window[], sender: Sender, session: string, sequence: number): boolean {
      if (windows.count() + batch.length > MAX_WINDOWS) {
        refused.add(sender)
        return false
      }
      const shift = deps.shiftMs()
      windows.add(shift === 0 ? batch : batch.map((window) => moved(window, shift)))
      marks.set(sender, { session, sequence })
      if (windows.count() >= TICK_WINDOWS && !failure) flush()
      return true
    },
    addEvent(event: MeshEvent): void {
      events.push(event)
      if (events.length <= MAX_EVENTS) return
      deps.logger.error({ lost: events.length - MAX_EVENTS }, 'events of the mesh were lost: the store fails')
      events = events.slice(-MAX_EVENTS)
    },
    /** Windows that wait for the store. */
    depth: (): number => windows.count(),
    problems: (): string[] =>
      failure ? [`${windows.count()} windows of the mesh wait for the store: ${failure.message}`] : [],
    flush,
    /** Forgets whom to tell. */
    forget: (sender: Sender): void => {
      marks.delete(sender)
      refused.delete(sender)
    },
    async close(): Promise<void> {
      stop.abort()
      await ticking
      flush()
    },
  }
}

export type Recorder = ReturnType<typeof createRecorder>
