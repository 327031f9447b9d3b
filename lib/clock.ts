import { uptime } from 'node:os'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'

/** Time as the code sees it. Passed in, so that tests can own it. */
export type Clock = {
  /** The wall clock, for what is shown and stored. */
  now(): Date
  /** Seconds since some fixed moment; never steps. For measuring how long something took. */
  monotonicSeconds(): number
  /** Seconds since the machine came up, those that it slept too; never steps. Where absent nothing is known of sleep. */
  bootSeconds?(): number
  /** Resolves after `seconds`; rejects with an AbortError as soon as `signal` aborts. */
  sleep(seconds: number, signal?: AbortSignal): Promise<void>
  /** Resolves after everything else that is due now has run. */
  yield(): Promise<void>
}

/** The longest wait that a Node timer holds is 2^31 ms, about 24 days; what is longer would pass at once. */
const LONGEST_TIMER_SECONDS = 2_000_000

export const systemClock: Clock = {
  now: () => new Date(),
  monotonicSeconds: () => performance.now() / 1000,
  bootSeconds: uptime,
  sleep: async (seconds, signal) => {
    const options = signal ? { signal } : {}
    for (let left = seconds; ; left -= LONGEST_TIMER_SECONDS) {
      await sleep(Math.min(left, LONGEST_TIMER_SECONDS) * 1000, undefined, options)
      if (left <= LONGEST_TIMER_SECONDS) return
    }
  },
  yield: () => setImmediate(),
}

/** Less than this is the drift of clocks, and what was read between two of them. */
const SLEPT_SECONDS = 0.25
/** Asked a thousand times a second, it looks for a sleep so often: until then a moment may be placed before it. */
const LOOK_SECONDS = 0.05

/**
 * Seconds since 1970 by a clock that is set once, now, and then runs on evenly, whatever is done to the time of day: for
 * the times of measurements that must stay in order.
 * @param bootSeconds when given, time that the machine slept counts: the monotonic clock stands still meanwhile. A
 * time of day that jumps is the sign to ask for it, for it is asked often and the answer comes from a file.
 */
export const createEvenTime = (clock: Clock, bootSeconds?: () => number): (() => number) => {
  const aheadOf = (seconds: number) => seconds - clock.monotonicSeconds()
  const dayOffset = () => aheadOf(clock.now().getTime() / 1000)
  let offset = dayOffset()
  let day = offset
  let boot = bootSeconds && aheadOf(bootSeconds())
  let lookedSeconds = clock.monotonicSeconds()
  const look = (): void => {
    if (!bootSeconds || boot === undefined || Math.abs(dayOffset() - day) <= SLEPT_SECONDS) return
    day = dayOffset()
    const slept = aheadOf(bootSeconds()) - boot
    if (slept <= SLEPT_SECONDS) return
    offset += slept
    boot += slept
  }
  return () => {
    const seconds = clock.monotonicSeconds()
    if (seconds - lookedSeconds >= LOOK_SECONDS) {
      lookedSeconds = seconds
      look()
    }
    return offset + seconds
  }
}
