import { setImmediate, setTimeout as sleep } from 'node:timers/promises'

/** The source of time. It is injected, so that tests control it. */
export type Clock = {
  /** The wall clock, for times that are shown or stored. */
  now(): Date
  /** Seconds since a fixed moment, for durations. It never steps. */
  monotonicSeconds(): number
  /** Resolves after `seconds`; rejects with an AbortError as soon as `signal` aborts. */
  sleep(seconds: number, signal?: AbortSignal): Promise<void>
  /** Resolves after everything else that is due now has run. */
  yield(): Promise<void>
}

/** Node's timers fire at once above 2^31 ms, about 24 days. Longer waits are split. */
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
  yield: () => setImmediate(),
}

/**
 * Returns seconds since 1970 from a clock that is set once, now, and then advances with the monotonic clock: steps of the
 * wall clock do not change it, so the times of measurements stay in order. It does not advance while the machine is
 * suspended.
 */
export const createEvenTime = (clock: Clock): (() => number) => {
  const offset = clock.now().getTime() / 1000 - clock.monotonicSeconds()
  return () => offset + clock.monotonicSeconds()
}
