import { type Clock, createEvenTime } from '../../lib/clock.ts'

/** Clocks that are kept well differ by less than this after weeks; what is more is a step. */
const STEP_MS = 500

/**
 * The time of all that is kept in memory of the meshes. It is the time of day when the collector starts and runs on
 * evenly from there: when the time of day is stepped, nothing becomes old, and nothing lies in the future. What leaves
 * the meshes, to the store and to who asks, is told in the time of day.
 */
export const createMeshTime = (clock: Clock) => {
  const even = createEvenTime(clock)
  let shiftMs = 0
  return {
    clock: {
      now: () => new Date(even() * 1000),
      monotonicSeconds: () => clock.monotonicSeconds(),
      sleep: (seconds: number, signal?: AbortSignal) => clock.sleep(seconds, signal),
      yield: () => clock.yield(),
    } satisfies Clock,
    /** Milliseconds to add for the time of day. The same for long, so that a window that comes twice is the same twice. */
    shiftMs: (): number => {
      const found = clock.now().getTime() - even() * 1000
      if (Math.abs(found - shiftMs) > STEP_MS) shiftMs = Math.round(found)
      return shiftMs
    },
  }
}

export type MeshTime = ReturnType<typeof createMeshTime>
