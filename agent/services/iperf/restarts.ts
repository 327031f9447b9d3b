import type { FlowChange, IperfSample } from '#proto/meshgauge/agent/v1/iperf.ts'
import type { Clock } from '../../../lib/clock.ts'
import { formatDuration } from '../../../lib/units.ts'

/** How one program of a flow ended. */
export type AttemptEnd = {
  /** It ended as planned: after its bounded test, or after its wait for a client. Not counted as a restart. */
  planned: boolean
  /** Why it ended, in words. */
  reason: string
}

/**
 * Runs one program of a flow to its end. Rejects when aborted, or when the stream cannot continue.
 * `onRunning` is for programs that work before they report a sample.
 */
export type Attempt = (
  report: { onSample(sample: IperfSample): void; onRunning(): void },
  signal: AbortSignal,
) => Promise<AttemptEnd>

/** The pause before a restart doubles after each failure, up to this. */
const MAX_PAUSE_SECONDS = 60
/** After a program has moved bytes for this time, the pause before its restart is the first one again. */
const STABLE_SECONDS = 10
/** After a planned end, the peer may be late: a failure within this time is part of that end. */
const PLANNED_END_SECONDS = 5
/** A flow that moves no bytes for this time hangs on a connection that may never recover; it is restarted. */
const STALL_SECONDS = 15
/** The same in sample intervals, where that is longer. */
const STALL_INTERVALS = 3
/** On an overloaded host, restarts make the overload worse: the stall time doubles with each stall, up to this factor. */
const MAX_STALL_FACTOR = 8

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

/** Detects that a program has stopped moving bytes. */
const createStallDetector = (clock: Clock, stallSeconds: number) => {
  let firstAt: number | undefined
  let lastAt: number | undefined
  return {
    add({ bytes }: IperfSample): void {
      const now = clock.monotonicSeconds()
      firstAt ??= now
      if (bytes > 0 || lastAt === undefined) lastAt = now
    },
    /** Seconds from the first sample to the last one with bytes. */
    movedSeconds: () => (lastAt ?? 0) - (firstAt ?? 0),
    /** Resolves when no bytes moved for the stall time since the first sample; stays pending once aborted. */
    async stalled(signal: AbortSignal): Promise<void> {
      while (!(await aborted(clock.sleep(stallSeconds / 5, signal)))) {
        if (lastAt !== undefined && clock.monotonicSeconds() - lastAt > stallSeconds) return
      }
      await new Promise(() => undefined)
    },
  }
}

/**
 * Runs the program of one flow, and restarts it until the signal aborts, with longer pauses after repeated failures.
 * @throws the signal's reason when aborted, or what the attempt throws
 */
export const keepRunning = async (
  { clock }: { clock: Clock },
  { attempt, flowIndex, intervalSeconds, firstPauseSeconds, onSample, onChange }: Options,
  signal: AbortSignal,
): Promise<never> => {
  const firstStallSeconds = Math.max(STALL_SECONDS, STALL_INTERVALS * intervalSeconds)
  let stallSeconds = firstStallSeconds
  let restartCount = 0
  let failures = 0
  let isDown = false
  let plannedEndAt = Number.NEGATIVE_INFINITY

  const onRunning = () => {
    if (isDown) onChange({ flowIndex, running: true, restartCount, reason: '' })
    isDown = false
  }
  const runOnce = async (): Promise<AttemptEnd & { movedSeconds: number }> => {
    const stop = new AbortController()
    const detector = createStallDetector(clock, stallSeconds)
    const report = {
      onRunning,
      onSample: (sample: IperfSample) => {
        detector.add(sample)
        if (sample.bytes > 0) onRunning()
        onSample({ ...sample, flowIndex })
      },
    }
    const work = attempt(report, AbortSignal.any([signal, stop.signal]))
    const stalled = detector.stalled(stop.signal).then(() => true)
    try {
      const hasStalled = await Promise.race([stalled, work.then(() => false)])
      const end = hasStalled
        ? { planned: false, reason: `no bytes moved for ${formatDuration(stallSeconds)}` }
        : await work
      const movedSeconds = detector.movedSeconds()
      if (movedSeconds >= STABLE_SECONDS) stallSeconds = firstStallSeconds
      else if (hasStalled) stallSeconds = Math.min(MAX_STALL_FACTOR * firstStallSeconds, 2 * stallSeconds)
      return { ...end, movedSeconds }
    } finally {
      stop.abort()
      await work.catch(() => undefined)
    }
  }

  while (true) {
    const { planned, reason, movedSeconds } = await runOnce()
    signal.throwIfAborted()
    const now = clock.monotonicSeconds()
    if (planned) plannedEndAt = now
    const isExpected = planned || now - plannedEndAt < PLANNED_END_SECONDS
    if (!isExpected) {
      isDown = true
      restartCount++
      failures = movedSeconds >= STABLE_SECONDS ? 1 : failures + 1
      onChange({ flowIndex, running: false, restartCount, reason })
    }
    const pause = Math.min(MAX_PAUSE_SECONDS, firstPauseSeconds * 2 ** (isExpected ? 0 : failures - 1))
    await clock.sleep(pause, signal)
  }
}
