import { monitorEventLoopDelay } from 'node:perf_hooks'

type Delays = { mean: number; p99: number; max: number }

/** Interval of the timer that measures the delay. A sample of the histogram is this interval plus the delay. */
const RESOLUTION_MS = 10

/** Samples of a window: 5 s or more. Two sinks read, and a second read within a window gets the figures of the first. */
const WINDOW_SAMPLES = 500

/** How late the event loop is, in seconds, over windows of at least 5 s. */
export const watchEventLoop = (): { delays(): Delays; close(): void } => {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  histogram.enable()
  let last: Delays | undefined
  const late = (nanoseconds: number) => Math.max(0, nanoseconds / 1e9 - RESOLUTION_MS / 1000)
  const measure = (): Delays => ({
    mean: histogram.count === 0 ? 0 : late(histogram.mean),
    p99: late(histogram.percentile(99)),
    max: late(histogram.max),
  })
  return {
    delays: () => {
      const complete = histogram.count >= WINDOW_SAMPLES
      if (last && !complete) return last
      last = measure()
      if (complete) histogram.reset()
      return last
    },
    close: () => {
      histogram.disable()
    },
  }
}
