/**
 * Whether fping can be believed when it says that a probe timed out. On a host that is short of processor time it looks
 * for answers too late, or waits until somebody reads what it writes, and calls probes lost that were answered in time.
 * We run on the same host: when we come late, so does fping. Pure; the time is told to it, in seconds.
 */

/** Looks that come so much later than they should are no accident of a timer. */
const LATE_SECONDS = 0.15

/** Who cannot be believed for so long measures nothing. */
const LONGEST_SECONDS = 10

export const createHostOverloadDetector = (
  { everySeconds, timeoutSeconds }: { everySeconds: number; timeoutSeconds: number },
  startedAt: number,
) => {
  let lookedAt = startedAt
  let since = Number.NaN
  let until = Number.NEGATIVE_INFINITY
  return {
    /** To be called at each look, before what was written since is read. */
    look: (now: number): void => {
      const isLate = now - lookedAt > everySeconds + LATE_SECONDS
      lookedAt = now
      if (isLate) {
        if (!(now <= until)) since = now
        // Probes that were under way then time out within this.
        until = now + timeoutSeconds + everySeconds
      }
    },
    /** A loss that is told now may be none. */
    isInDoubt: (now: number): boolean => now <= until,
    /** It goes on and on. */
    isTooLong: (now: number): boolean => now <= until && now - since > LONGEST_SECONDS,
  }
}
