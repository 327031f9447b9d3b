import { type Clock, systemClock } from '../lib/clock.ts'

/** Minimum length of a slice of long work, in milliseconds. */
const MIN_SLICE_MS = 4
/** A slice may take this ratio of the time that other work took before it, so that long work ends under any load. */
const MAX_CPU_RATIO = 0.25
/**
 * Maximum length of a slice. Without it, several long tasks would extend each other's slices, and after a process was
 * stopped for an hour a slice would take 15 minutes.
 */
const MAX_SLICE_MS = 250

/**
 * Splits long work into slices, so that it does not block the event loop. With slices of a fixed length the work would
 * take very long in a busy event loop. These slices grow with the time that other work takes, up to a limit.
 */
export const createCooperativeYielding = (clock: Pick<Clock, 'monotonicSeconds' | 'yield'> = systemClock) => {
  /** To the microsecond, which seconds as a fraction do not keep exactly. */
  const nowMs = () => Math.round(clock.monotonicSeconds() * 1e6) / 1000
  let beganMs = nowMs()
  let lengthMs = MIN_SLICE_MS
  const isOver = (): boolean => nowMs() - beganMs >= lengthMs
  const startNextSlice = async (): Promise<void> => {
    const yieldedMs = nowMs()
    await clock.yield()
    beganMs = nowMs()
    lengthMs = Math.min(MAX_SLICE_MS, Math.max(MIN_SLICE_MS, MAX_CPU_RATIO * (beganMs - yieldedMs)))
  }
  return {
    /** Whether the current slice is over. */
    isOver,
    /** Yields to other work, then starts a new slice. */
    startNextSlice,
    /** Calls `startNextSlice` when the slice is over. Call it often. */
    yieldIfDue: async (): Promise<void> => {
      if (isOver()) await startNextSlice()
    },
  }
}
