import type { FlowChange, IperfSample } from '#proto/meshgauge/agent/v1/iperf.ts'
import type { Clock } from '../../lib/clock.ts'
import { formatDuration } from '../../lib/units.ts'

/** How one program of a flow ended. */
export type End = {
  /** At the end of its bounded test, or of its wait for a client: it is renewed, and nothing was wrong. */
  planned: boolean
  /** Why it ended, in words. */
  reason: string
}

/** Starts the program of a flow, tells what it moves, and resolves when it has ended. Rejects only when aborted. */
export type Attempt = (
  tell: { sample(sample: IperfSample): void; runs(): void },
  signal: AbortSignal,
) => Promise<End>

/**
 * Pauses before a program is started again: they double from the first to the last. The end of one program is the end
 * of both: the server comes back first, so that the client finds it.
 */
export const FIRST_PAUSE_SECONDS = { server: 0.1, client: 0.5 }
const LAST_PAUSE_SECONDS = 5
/** Who has moved bytes for so long was well: the next pause is the first again. */
const WELL_SECONDS = 10
/** After a planned end, the other end may be a moment late: what fails so soon after it is part of the renewal. */
const RENEWAL_SECONDS = 5
/** A flow that moves nothing for so long hangs on a connection that may never recover by itself. */
const STALL_SECONDS = 15
const STALL_INTERVALS = 3

type Options = {
  attempt: Attempt
  flowIndex: number
  intervalSeconds: number
  firstPauseSeconds: number
  onSample(sample: IperfSample): void
  onChange(change: FlowChange): void
}

const aborted = (promise: Promise<void>): Promise<boolean> =>
  promise.then(
    () => false,
    () => true,
  )

/** Watches one program: when it last moved bytes, and whether it hangs. */
const createWatch = (clock: Clock, stallSeconds: number) => {
  let first: number | undefined
  let last: number | undefined
  return {
    saw({ bytes }: IperfSample): boolean {
      const now = clock.monotonicSeconds()
      first ??= now
      if (bytes > 0 || last === undefined) last = now
      return bytes > 0
    },
    movedSeconds: () => (last ?? 0) - (first ?? 0),
    /** Resolves when it has moved nothing for too long since its first interval; never, once the signal aborts. */
    async stalled(signal: AbortSignal): Promise<void> {
      while (!(await aborted(clock.sleep(stallSeconds / 5, signal)))) {
        if (last !== undefined && clock.monotonicSeconds() - last > stallSeconds) return
      }
      await new Promise(() => undefined)
    },
  }
}

/** Keeps the program of one flow running until the signal aborts; then it rejects with the signal's reason. */
export const keepUp = async (
  { clock }: { clock: Clock },
  { attempt, flowIndex, intervalSeconds, firstPauseSeconds, onSample, onChange }: Options,
  signal: AbortSignal,
): Promise<never> => {
  const stallSeconds = Math.max(STALL_SECONDS, STALL_INTERVALS * intervalSeconds)
  let restartCount = 0
  let failures = 0
  let down = false
  let renewedAt = Number.NEGATIVE_INFINITY

  const once = async (): Promise<End & { movedSeconds: number }> => {
    const stop = new AbortController()
    const watch = createWatch(clock, stallSeconds)
    const runs = () => {
      if (down) onChange({ flowIndex, running: true, restartCount, reason: '' })
      down = false
    }
    const sample = (each: IperfSample) => {
      if (watch.saw(each)) runs()
      onSample({ ...each, flowIndex })
    }
    const work = attempt({ sample, runs }, AbortSignal.any([signal, stop.signal]))
    const stalled = watch.stalled(stop.signal).then(() => true)
    try {
      const hangs = await Promise.race([stalled, work.then(() => false)])
      if (!hangs) return { ...(await work), movedSeconds: watch.movedSeconds() }
      const reason = `no bytes moved for ${formatDuration(stallSeconds)}`
      return { planned: false, reason, movedSeconds: watch.movedSeconds() }
    } finally {
      stop.abort()
      await work.catch(() => undefined)
    }
  }

  while (true) {
    const { planned, reason, movedSeconds } = await once()
    signal.throwIfAborted()
    const now = clock.monotonicSeconds()
    if (planned) renewedAt = now
    const isRenewal = planned || now - renewedAt < RENEWAL_SECONDS
    if (!isRenewal) {
      down = true
      restartCount++
      failures = movedSeconds >= WELL_SECONDS ? 1 : failures + 1
      onChange({ flowIndex, running: false, restartCount, reason })
    }
    const pause = Math.min(LAST_PAUSE_SECONDS, firstPauseSeconds * 2 ** (isRenewal ? 0 : failures - 1))
    await clock.sleep(pause, signal)
  }
}

/** What the flows of a stream say between two messages: bounded by their number, however slowly the caller reads. */
export const createNews = () => {
  let samples = new Map<number, IperfSample>()
  let changes = new Map<string, FlowChange>()
  return {
    sample(sample: IperfSample): void {
      const before = samples.get(sample.flowIndex)
      // Of a caller that is slow, bytes are never lost; of two rates the newer is told.
      samples.set(sample.flowIndex, before ? { ...sample, bytes: sample.bytes + before.bytes } : sample)
    },
    change(change: FlowChange): void {
      const key = `${change.flowIndex} ${change.running}`
      changes.delete(key)
      changes.set(key, change)
    },
    take() {
      const taken = { samples: [...samples.values()], changes: [...changes.values()] }
      samples = new Map()
      changes = new Map()
      return taken
    },
  }
}
