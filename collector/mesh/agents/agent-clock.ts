/** An agent's clock runs on evenly from the agent's start; this says what the collector's clock shows meanwhile. */

/** Offsets are kept for so long: delays vary, and clocks drift apart by some 20 µs a second at most. */
const GENERATION_SECONDS = 60
/**
 * What windows are placed by moves only in steps: then a batch that comes twice, also to a collector that was
 * restarted, has the same times both times, and the store knows its windows again.
 */
const STEP_MS = 25
/** A first batch may have waited in a burst of many agents; the best of so long is taken. */
const LEARNING_SECONDS = 1

/**
 * No batch comes before it was sent, and none is under way for so long: an offset that says so is from before a clock was
 * stepped. By a second clocks may have drifted apart while the collector was away.
 */
const MAX_EARLY_MS = 1000
const MAX_LATE_MS = 10_000

/** Where the offset of a session is kept over a restart of the collector. */
export type PersistedOffset = { session: string; offsetMs: number }

/**
 * The offset is the smallest of (arrival - send time) of late: the shortest delay is nearest to none. Arrivals are
 * taken by a clock that never steps, and the wall clock is added when it is asked for: a step of it moves the
 * windows at once, and teaches nothing wrong.
 */
export const createAgentClock = (
  kept: PersistedOffset | undefined,
  onStep: (kept: PersistedOffset) => void,
) => {
  let session = kept?.session ?? ''
  let used: number | undefined = kept?.offsetMs
  let sinceSeconds: number | undefined
  let now = Number.POSITIVE_INFINITY
  let before = Number.POSITIVE_INFINITY
  let generation = 0
  return {
    begin: (name: string): void => {
      // The way may be another one now, so what was learned of it is forgotten; what is used stays, unless it proves wrong.
      now = Number.POSITIVE_INFINITY
      before = Number.POSITIVE_INFINITY
      sinceSeconds = undefined
      if (name === session) return
      session = name
      used = undefined
    },
    /** A batch that was sent at `sendMs` came. */
    observe: (sendMs: number, monotonicSeconds: number): void => {
      const current = Math.floor(monotonicSeconds / GENERATION_SECONDS)
      if (current !== generation) {
        before = current === generation + 1 ? now : Number.POSITIVE_INFINITY
        now = Number.POSITIVE_INFINITY
        generation = current
      }
      now = Math.min(now, monotonicSeconds * 1000 - sendMs)
      sinceSeconds ??= monotonicSeconds
    },
    /** Milliseconds to add to the agent's times; undefined until enough has been seen. */
    offsetMs: (wallMs: number, monotonicSeconds: number): number | undefined => {
      if (sinceSeconds === undefined) return used
      const isLearned = monotonicSeconds - sinceSeconds >= LEARNING_SECONDS
      const offset = Math.round(Math.min(now, before) + wallMs - monotonicSeconds * 1000)
      if (!isLearned) {
        if (used !== undefined && (used - offset > MAX_EARLY_MS || offset - used > MAX_LATE_MS))
          used = undefined
        return used
      }
      if (used === undefined || Math.abs(offset - used) > STEP_MS) {
        used = offset
        onStep({ session, offsetMs: offset })
      }
      return used
    },
  }
}
