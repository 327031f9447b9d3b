/** Runs one fping without end, until the signal aborts. */

import type { PingRequest } from '#proto/meshgauge/agent/v1/ping.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { Clock } from '../../../lib/clock.ts'
import { type EngineDeps, EngineError, type PingSink, type PingSource } from '../engine.ts'
import { planPing } from '../ping-request.ts'
import { faultError, programError, unexpectedOutputError } from '../program-error.ts'
import { hasNotRunSince, runCountOf } from '../program-state.ts'
import { fpingContinuousArgs } from './args.ts'
import { createContinuousLedger, NOT_SENT } from './continuous-ledger.ts'
import { createHostOverloadDetector } from './host-overload-detector.ts'

/** Lines in one read of the pipe, so that fping never waits for the agent; see StdoutReader.everySeconds. */
const LINES_PER_READ = 100

/** Bounds of the time between two reads: a dead path must be reported soon, and each read costs processor time. */
const MAX_READ_SECONDS = 0.1
const MIN_READ_SECONDS = 0.01

/** Up to this rate, each line is read immediately. */
const FEW_LINES_PER_SECOND = 10

/** Time between two checks for probes that fping does not report, when lines are read immediately. */
const CHECK_SECONDS = 0.25

/** fping uses the time of day. When that is stepped by more, fping stops, or sends a burst, and reports wrong times. */
const MAX_CLOCK_STEP_SECONDS = 0.05

/** An agent that was itself delayed by more than this must first read what has arrived. */
const AGENT_DELAY_SECONDS = 0.5

const MAX_UNKNOWN_LINES = 1000

export const HANGS = 'hangs: it prints nothing and does not run'

const OVERLOADED =
  'this node is short of processor time, so that its measurements are not reliable; measuring starts again in a moment'

const readSeconds = (linesPerSecond: number): number =>
  linesPerSecond <= FEW_LINES_PER_SECOND
    ? 0
    : Math.min(MAX_READ_SECONDS, Math.max(MIN_READ_SECONDS, LINES_PER_READ / linesPerSecond))

/** Detects steps of the time of day against the monotonic clock. */
const createClockStepDetector = (clock: Clock) => {
  const measureOffset = () => {
    // A delay between the two readings would look like a step: the fastest of three is right.
    const readings = Array.from({ length: 3 }, () => {
      const from = clock.monotonicSeconds()
      const offset = clock.now().getTime() / 1000 - from
      return { offset, seconds: clock.monotonicSeconds() - from }
    })
    return readings.reduce((best, each) => (each.seconds < best.seconds ? each : best)).offset
  }
  let lastOffset = measureOffset()
  /** Returns the step since the last call in seconds; 0 when there is none. */
  return (): number => {
    const offset = measureOffset()
    const step = offset - lastOffset
    lastOffset = offset
    return Math.abs(step) < MAX_CLOCK_STEP_SECONDS ? 0 : step
  }
}

/** @throws EngineError when fping ends, `signal.reason` when aborted; never returns */
export const pingContinuously = async (
  deps: EngineDeps,
  program: string,
  request: PingRequest,
  source: PingSource,
  signal: AbortSignal,
  sink: PingSink,
): Promise<never> => {
  const { clock, processes } = deps
  const plan = planPing(request)
  const { addresses, intervalSeconds, timeoutSeconds } = plan
  const everySeconds = readSeconds(addresses.length / intervalSeconds)
  const overload = createHostOverloadDetector(
    { everySeconds: everySeconds || CHECK_SECONDS, timeoutSeconds },
    clock.monotonicSeconds(),
  )
  const ledger = createContinuousLedger(plan, sink, overload.isOverloaded)
  const ending = new AbortController()
  let failure: EngineError | undefined
  const fail = (error: EngineError) => {
    failure ??= error
    ending.abort()
  }
  const clockStep = createClockStepDetector(clock)
  const failOnClockStep = (): boolean => {
    const step = clockStep()
    if (step === 0) return false
    const text = `the clock of this node was stepped by ${step.toFixed(2)} s, which fping does not support; measuring starts again`
    fail(new EngineError('failed', Outcome.OUTCOME_INVALID, text))
    return true
  }

  let outputAt = clock.monotonicSeconds()
  let checkedAt = outputAt
  // The first results need one round, and in the second one a timeout.
  const quietSeconds = 2 * intervalSeconds + timeoutSeconds + 1
  let pid: number | undefined
  /** How often fping had run when half of the quiet time was over. */
  let quietRunCount: number | undefined
  const check = () => {
    const now = clock.monotonicSeconds()
    const wasDelayed = now - checkedAt > AGENT_DELAY_SECONDS + CHECK_SECONDS
    checkedAt = now
    overload.onRead(now)
    if (failOnClockStep()) return
    if (overload.isOverloadedTooLong(now)) {
      fail(new EngineError('failed', Outcome.OUTCOME_INVALID, OVERLOADED))
      return
    }
    if (wasDelayed) {
      outputAt = now
      return
    }
    if (now - outputAt > quietSeconds / 2 && pid !== undefined) quietRunCount ??= runCountOf(pid)
    if (now - outputAt > quietSeconds) {
      const hangs = pid !== undefined && hasNotRunSince(pid, quietRunCount)
      fail(hangs ? faultError('fping', HANGS) : new EngineError('failed', Outcome.OUTCOME_NOT_RUN, NOT_SENT))
    } else ledger.expire(now)
    if (ledger.unknown.length > MAX_UNKNOWN_LINES) fail(unexpectedOutputError('fping', ledger.unknown))
  }
  const take = (chunk: Buffer) => {
    if (failure || failOnClockStep()) return
    outputAt = clock.monotonicSeconds()
    quietRunCount = undefined
    // Lines that are read immediately have no time at which they are due.
    if (everySeconds > 0) overload.onRead(outputAt)
    ledger.read(chunk, outputAt)
  }
  const running = await processes.start(program, fpingContinuousArgs(plan, source), {
    signal,
    deadlineSeconds: undefined,
    stdout: { take, everySeconds, afterwards: check },
  })
  pid = running.pid
  // A caller that ends must not wait for the next line.
  ending.signal.addEventListener('abort', () => void running.end(), { once: true })
  const checkAtIntervals = async () => {
    const pause = () =>
      clock.sleep(CHECK_SECONDS, ending.signal).then(
        () => true,
        () => false,
      )
    while (everySeconds === 0 && (await pause())) check()
  }
  const checking = checkAtIntervals()
  try {
    for await (const { text } of running.lines) ledger.readError(text, clock.monotonicSeconds())
  } finally {
    ending.abort()
    await Promise.all([running.end(), checking])
  }
  signal.throwIfAborted()
  throw failure ?? programError('fping', await running.done, ledger.unknown)
}
