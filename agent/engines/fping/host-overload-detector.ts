/**
 * Decides whether the losses that fping reports are reliable. On a host that is short of processor time, fping reads
 * answers too late, or waits until its output is read, and reports as lost what was answered in time. The agent runs on
 * the same host: when its reads are late, so are fping's. Pure; the time is passed in, in seconds.
 */

/** A read that is this late is not explained by the accuracy of a timer. */
const LATE_SECONDS = 0.15

/** After this time of overload, measuring ends. */
const MAX_OVERLOAD_SECONDS = 10

export const createHostOverloadDetector = (
  { everySeconds, timeoutSeconds }: { everySeconds: number; timeoutSeconds: number },
  startedAt: number,
) => {
  let readAt = startedAt
  let overloadedSince = Number.NaN
  let overloadedUntil = Number.NEGATIVE_INFINITY
  return {
    /** Call this at each read, before the lines are read. */
    onRead: (now: number): void => {
      const isLate = now - readAt > everySeconds + LATE_SECONDS
      readAt = now
      if (!isLate) return
      if (!(now <= overloadedUntil)) overloadedSince = now
      // The probes that were open during this time have timed out by then.
      overloadedUntil = now + timeoutSeconds + everySeconds
    },
    /** A loss that is read now may be wrong. */
    isOverloaded: (now: number): boolean => now <= overloadedUntil,
    /** The host has been overloaded for longer than 10 s. */
    isOverloadedTooLong: (now: number): boolean =>
      now <= overloadedUntil && now - overloadedSince > MAX_OVERLOAD_SECONDS,
  }
}
