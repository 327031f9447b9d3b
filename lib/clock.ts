import { setTimeout as sleep } from 'node:timers/promises'

/** Time as the code sees it. Passed in, so that tests can own it. */
export type Clock = {
  /** The wall clock, for what is shown and stored. */
  now(): Date
  /** Seconds since some fixed moment; never steps. For measuring how long something took. */
  monotonicSeconds(): number
  /** Resolves after `seconds`; rejects with an AbortError as soon as `signal` aborts. */
  sleep(seconds: number, signal?: AbortSignal): Promise<void>
}

/** The longest wait that a Node timer holds is 2^31 ms, about 24 days; what is longer would pass at once. */
const LONGEST_TIMER_SECONDS = 2_000_000

export const systemClock: Clock = {
  now: () => new Date(),
  monotonicSeconds: () => performance.now() / 1000,
  sleep: async (seconds, signal) => {
    const options = signal ? { signal } : {}
    for (let left = seconds; ; left -= LONGEST_TIMER_SECONDS) {
      await sleep(Math.min(left, LONGEST_TIMER_SECONDS) * 1000, undefined, options)
      if (left <= LONGEST_TIMER_SECONDS) return
    }
  },
}

/**
 * Seconds since 1970 by a clock that is set once, now, and then runs on evenly, whatever is done to the time of day: for
 * the times of measurements that must stay in order.
 */
export const createEvenTime = (clock: Clock): (() => number) => {
  const offset = clock.now().getTime() / 1000 - clock.monotonicSeconds()
  return () => offset + clock.monotonicSeconds()
}
