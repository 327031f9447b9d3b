import { type Clock, createEvenTime } from '../../lib/clock.ts'

/** Synchronised clocks drift less than this within weeks. A larger difference is a step of the wall clock. */
const STEP_MS = 500

/**
 * Returns the mesh clock. It starts at the wall clock and then runs at the monotonic rate, so a step of the wall clock
 * neither ages the state in memory nor places it in the future. Times that leave the mesh (store, API, metrics) are
 * converted to the wall clock with `shiftMs`.
 */
export const createMeshTime = (clock: Clock) => {
  const even = createEvenTime(clock)
  let shiftMs = 0
  const listeners: ((byMs: number) => void)[] = []
  return {
    clock: {
      now: () => new Date(even() * 1000),
      monotonicSeconds: () => clock.monotonicSeconds(),
      sleep: (seconds: number, signal?: AbortSignal) => clock.sleep(seconds, signal),
      yield: () => clock.yield(),
    } satisfies Clock,
    /**
     * Returns the milliseconds to add to a mesh time to get the wall clock. The value changes only when the wall clock
     * steps, so a window that an agent sends twice is stored with the same times.
     */
    shiftMs: (): number => {
      const difference = clock.now().getTime() - even() * 1000
      if (Math.abs(difference - shiftMs) <= STEP_MS) return shiftMs
      const byMs = Math.round(difference) - shiftMs
      shiftMs += byMs
      for (const listener of listeners) listener(byMs)
      return shiftMs
    },
    /** Calls the listener with the size of each step of the wall clock, in milliseconds. */
    onStep: (listener: (byMs: number) => void): void => {
      listeners.push(listener)
    },
  }
}

export type MeshTime = ReturnType<typeof createMeshTime>
