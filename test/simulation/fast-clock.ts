import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../../lib/clock.ts'

/**
 * Time that passes faster, the same for all that share it. `step` sets the wall clock, as an operator does.
 * @param epoch what the wall clock shows at first, in Unix milliseconds
 */
export const createFastClock = (
  factor: number,
  epoch = Date.now(),
): Clock & { step(seconds: number): void } => {
  const start = performance.now()
  let stepped = 0
  const passedMs = () => (performance.now() - start) * factor
  return {
    now: () => new Date(epoch + passedMs() + stepped),
    monotonicSeconds: () => passedMs() / 1000,
    yield: () => new Promise((resolve) => setImmediate(resolve)),
    sleep: (seconds, signal) => sleep((seconds * 1000) / factor, undefined, signal ? { signal } : {}),
    step: (seconds) => {
      stepped += seconds * 1000
    },
  }
}
