import type { Clock } from '../clock.ts'

/** Turns of the event loop in which the code under test does everything that it can do at one moment. */
const SETTLE_TURNS = 20

/** A clock for unit tests. Its time passes only in `pass`. Its wall clock can be set with `set`. */
export type FakeClock = {
  clock: Clock
  /** Runs all code that does not wait for time to pass. */
  settle(): Promise<void>
  /** Sets the wall clock, in Unix milliseconds. No time passes. */
  set(wallMs: number): void
  /**
   * Advances the time. Sleepers wake in the order of their times, and all code runs in between.
   * @param stepSeconds time passes in steps of at least this length, for tests with thousands of sleepers
   */
  pass(seconds: number, stepSeconds?: number): Promise<void>
}

/** @param startMs the wall clock at the start, in Unix milliseconds */
export const createFakeClock = (startMs = 0): FakeClock => {
  let wallMs = startMs
  let monotonicSeconds = 1000
  let sleepers: { until: number; wake(): void }[] = []
  const advanceTo = (seconds: number) => {
    const passed = Math.max(0, seconds - monotonicSeconds)
    wallMs += passed * 1000
    monotonicSeconds += passed
  }
  const settle = async () => {
    for (let turn = 0; turn < SETTLE_TURNS; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
  const clock: Clock = {
    now: () => new Date(wallMs),
    monotonicSeconds: () => monotonicSeconds,
    yield: () => new Promise((resolve) => setImmediate(resolve)),
    sleep: (seconds, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason)
        const sleeper = { until: monotonicSeconds + seconds, wake: resolve }
        sleepers.push(sleeper)
        signal?.addEventListener('abort', () => {
          sleepers = sleepers.filter((each) => each !== sleeper)
          reject(signal.reason)
        })
      }),
  }
  return {
    clock,
    settle,
    set: (moment) => {
      wallMs = moment
    },
    async pass(seconds, stepSeconds = 0) {
      await settle()
      const end = monotonicSeconds + seconds
      for (;;) {
        const next = sleepers.reduce((least, { until }) => Math.min(least, until), Number.POSITIVE_INFINITY)
        if (next > end) break
        advanceTo(Math.min(end, Math.max(next, monotonicSeconds + stepSeconds)))
        const due = sleepers.filter(({ until }) => until <= monotonicSeconds)
        sleepers = sleepers.filter(({ until }) => until > monotonicSeconds)
        for (const { wake } of due) wake()
        await settle()
      }
      advanceTo(end)
    },
  }
}
