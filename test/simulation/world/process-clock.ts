import { AbortError } from 'abort-controller-x'
import type { Clock } from '../../../lib/clock.ts'
import type { VirtualTime } from './virtual-time.ts'

/** The shortest wait of a Node timer. A loop that waits for less than the precision of time would never end. */
const SHORTEST_TIMER_SECONDS = 0.001

/** Wall-clock time at virtual second 0: 2026-01-01T00:00:00Z in Unix milliseconds. */
export const EPOCH_MS = 1_767_225_600_000

/**
 * The clock of one simulated process, and its life. While the process is stopped (as by SIGSTOP) nothing of it runs:
 * what becomes due waits until it is resumed. A killed process never runs again.
 */
export type ProcessClock = Clock & {
  /** Sets the wall clock forwards, or backwards when negative. */
  step(seconds: number): void
  stop(): void
  resume(): void
  kill(): void
  isStopped(): boolean
  isKilled(): boolean
  /** Runs something in the process: now, or when it is resumed. */
  run(act: () => void): void
  /** Runs something in the process after a delay. Returns what cancels it. */
  after(seconds: number, act: () => void): () => void
}

export const createProcessClock = (
  time: VirtualTime,
  {
    wallOffsetMs = 0,
    monotonicOffsetSeconds = 0,
  }: { wallOffsetMs?: number; monotonicOffsetSeconds?: number } = {},
): ProcessClock => {
  let wallMs = EPOCH_MS + wallOffsetMs
  let state: 'running' | 'stopped' | 'killed' = 'running'
  let waiting: (() => void)[] = []
  /** Owns the timers of this process. */
  const self = {}

  const run = (act: () => void): void => {
    if (state === 'running') act()
    else if (state === 'stopped') waiting.push(act)
  }
  const after = (seconds: number, act: () => void): (() => void) => {
    const timer = time.schedule(seconds, () => run(act), self)
    return () => time.cancel(timer)
  }
  const sleep = (seconds: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(new AbortError())
        return
      }
      let isOver = false
      const onAbort = () => {
        isOver = true
        cancel()
        reject(new AbortError())
      }
      const cancel = after(Math.max(SHORTEST_TIMER_SECONDS, seconds), () => {
        if (isOver) return
        signal?.removeEventListener('abort', onAbort)
        resolve()
      })
      signal?.addEventListener('abort', onAbort, { once: true })
    })

  return {
    now: () => new Date(wallMs + time.seconds() * 1000),
    monotonicSeconds: () => time.seconds() + monotonicOffsetSeconds,
    sleep,
    yield: () =>
      new Promise((resolve) => {
        after(0, resolve)
      }),
    step: (seconds) => {
      wallMs += seconds * 1000
    },
    stop: () => {
      if (state === 'running') state = 'stopped'
    },
    resume: () => {
      if (state !== 'stopped') return
      state = 'running'
      const due = waiting
      waiting = []
      // One after the other, as each may stop or kill the process again.
      for (const act of due) time.schedule(0, () => run(act))
    },
    kill: () => {
      state = 'killed'
      waiting = []
      time.removeOwner(self)
    },
    isStopped: () => state === 'stopped',
    isKilled: () => state === 'killed',
    run,
    after,
  }
}
