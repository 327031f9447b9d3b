import { monitorEventLoopDelay } from 'node:perf_hooks'

type Delays = { mean: number; p99: number; max: number }

/** The timer that measures the delay; what the histogram shows is this plus the delay. */
const RESOLUTION_MS = 10

/** Two sinks read: whoever comes second within this time gets what the first one got, not an empty window. */
const WINDOW_SECONDS = 5

/** How late the event loop is, in seconds, over windows of at least 5 s. */
export const watchEventLoop = (): { delays(): Delays; close(): void } => {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  histogram.enable()
  let windowStart = performance.now()
  let last: Delays | undefined
  const late = (nanoseconds: number) => Math.max(0, nanoseconds / 1e9 - RESOLUTION_MS / 1000)
  const measure = (): Delays => ({
    mean: histogram.count === 0 ? 0 : late(histogram.mean),
    p99: late(histogram.percentile(99)),
    max: late(histogram.max),
  })
  return {
    delays: () => {
      const complete = performance.now() - windowStart >= WINDOW_SECONDS * 1000
      if (last && !complete) return last
      last = measure()
      if (complete) {
        histogram.reset()
        windowStart = performance.now()
      }
      return last
    },
    close: () => {
      histogram.disable()
    },
  }
}
