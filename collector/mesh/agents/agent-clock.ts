import type { Timestamp } from '#proto/google/protobuf/timestamp.ts'

/** How long one generation of delays counts. Delays vary, and clocks drift apart by about 20 µs per second. */
const GENERATION_SECONDS = 60
/**
 * The offset in use changes only in steps of at least this size. A batch that an agent sends twice, also to a restarted
 * collector, then gets the same times twice, and the store recognises its windows.
 */
const STEP_MS = 25
/** The first batches may have waited in a burst of many agents, so the smallest delay of this time is used. */
const LEARNING_SECONDS = 1

/**
 * A restored offset is discarded when it places a batch this far in the future, or this far in the past: a clock has
 * stepped since it was stored. Less than 1 s can be drift while the collector was down; a batch is delivered in 10 s.
 */
const MAX_EARLY_MS = 1000
const MAX_LATE_MS = 10_000

/** The clock offset of an agent session, as it is stored across restarts of the collector. */
export type PersistedOffset = { session: string; offsetMs: number }

/** Returns Unix milliseconds, with fractions; NaN when the time is absent. */
export const toMilliseconds = (time: Timestamp | undefined): number =>
  time ? time.seconds * 1000 + time.nanos / 1e6 : Number.NaN

/**
 * Estimates the offset between an agent's clock and the collector's. The agent's clock runs evenly from its start.
 *
 * The offset is the minimum of (arrival - send time) over the last one to two minutes: the shortest delay is closest to
 * none. Arrivals are measured with the monotonic clock and converted to the given time on request, so that a step of
 * that time shifts the offset at once and does not distort the estimate.
 * @param onStep called when the offset in use changes, to store it
 */
export const createAgentClock = (
  persisted: PersistedOffset | undefined,
  onStep: (offset: PersistedOffset) => void,
) => {
  let session = persisted?.session ?? ''
  let usedMs: number | undefined = persisted?.offsetMs
  let firstSeconds: number | undefined
  let currentMin = Number.POSITIVE_INFINITY
  let previousMin = Number.POSITIVE_INFINITY
  let generation = 0
  return {
    /** A stream has started. Its network route may differ, so delays are learned again. */
    begin: (name: string): void => {
      currentMin = Number.POSITIVE_INFINITY
      previousMin = Number.POSITIVE_INFINITY
      firstSeconds = undefined
      if (name === session) return
      session = name
      usedMs = undefined
    },
    /** A batch arrived that the agent sent at `sendMs` by its own clock. */
    observe: (sendMs: number, monotonicSeconds: number): void => {
      const current = Math.floor(monotonicSeconds / GENERATION_SECONDS)
      if (current !== generation) {
        previousMin = current === generation + 1 ? currentMin : Number.POSITIVE_INFINITY
        currentMin = Number.POSITIVE_INFINITY
        generation = current
      }
      currentMin = Math.min(currentMin, monotonicSeconds * 1000 - sendMs)
      firstSeconds ??= monotonicSeconds
    },
    /** Returns the milliseconds to add to the agent's times; undefined until enough batches were observed. */
    offsetMs: (nowMs: number, monotonicSeconds: number): number | undefined => {
      if (firstSeconds === undefined) return usedMs
      const isLearned = monotonicSeconds - firstSeconds >= LEARNING_SECONDS
      const offset = Math.round(Math.min(currentMin, previousMin) + nowMs - monotonicSeconds * 1000)
      if (!isLearned) {
        if (usedMs !== undefined && (usedMs - offset > MAX_EARLY_MS || offset - usedMs > MAX_LATE_MS))
          usedMs = undefined
        return usedMs
      }
      if (usedMs === undefined || Math.abs(offset - usedMs) > STEP_MS) {
        usedMs = offset
        onStep({ session, offsetMs: offset })
      }
      return usedMs
    },
  }
}
