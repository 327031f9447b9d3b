import type { Clock } from '../../../lib/clock.ts'

/** A clock whose time passes only when a test says so, and whose wall clock can be set. Moments are Unix milliseconds. */
export const createFakeClock = (start: number) => {
  let wall = start
  let monotonic = 1000
  let sleepers: { until: number; wake(): void }[] = []
  const clock: Clock = {
    now: () => new Date(wall),
    monotonicSeconds: () => monotonic,
    yield: () => new Promise((resolve) => setImmediate(resolve)),
    sleep: (seconds, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason)
        const sleeper = { until: monotonic + seconds, wake: resolve }
        sleepers.push(sleeper)
        signal?.addEventListener('abort', () => {
          sleepers = sleepers.filter((each) => each !== sleeper)
          reject(signal.reason)
        })
      }),
  }
  /** Lets everything that is ready to run do so. */
  const settle = async () => {
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
  return {
    clock,
    settle,
    /** Sets the wall clock; time does not pass. */
    set(moment: number): void {
      wall = moment
    },
    /** Lets so many seconds pass, waking sleepers one after the other. */
    async pass(seconds: number): Promise<void> {
      await settle()
      const end = monotonic + seconds
      for (;;) {
        const next = sleepers.reduce((least, { until }) => Math.min(least, until), Number.POSITIVE_INFINITY)
        if (next > end) break
        wall += Math.max(0, next - monotonic) * 1000
        monotonic = Math.max(monotonic, next)
        const due = sleepers.filter(({ until }) => until <= monotonic)
        sleepers = sleepers.filter(({ until }) => until > monotonic)
        for (const { wake } of due) wake()
        await settle()
      }
      wall += (end - monotonic) * 1000
      monotonic = end
    },
  }
}
