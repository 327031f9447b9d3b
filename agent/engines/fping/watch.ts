/** One fping for as long as somebody wants it. */

import type { PingRequest } from '#proto/meshgauge/agent/v1/ping.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { type EngineDeps, EngineError, type PingSink, type PingSource } from '../engine.ts'
import { planPing } from '../ping-request.ts'
import { programError, rubbishError } from '../program-error.ts'
import { fpingLoopArgs } from './args.ts'
import { createHostOverloadDetector } from './host-overload-detector.ts'
import { createLoopBook, NOT_SENT } from './loop.ts'

/** Lines in one look at the pipe, so that fping never waits for us; see StdoutReader.everySeconds. */
const LINES_PER_LOOK = 100

/** Looks this far apart at the most, because a dead path must be told of soon; and no closer than a look costs nothing. */
const MAX_LOOK_SECONDS = 0.1
const MIN_LOOK_SECONDS = 0.01

/** With so few lines a second each may be taken as it comes. */
const FEW_LINES_PER_SECOND = 10

/** How often it is looked for what fping does not tell, when lines are taken as they come. */
const CHECK_SECONDS = 0.25

/** fping goes by the time of day: when that is stepped, it stops, or sends all at once, and tells wrong times. */
const MAX_STEP_SECONDS = 0.05

/** An agent that was itself held up so long must first read what has come meanwhile. */
const HELD_UP_SECONDS = 0.5

const MAX_UNKNOWN_LINES = 1000

const TOO_BUSY =
  'this node is short of processor time: what it measures would accuse others; it is tried again in a moment'

const lookSeconds = (linesPerSecond: number): number =>
  linesPerSecond <= FEW_LINES_PER_SECOND
    ? 0
    : Math.min(MAX_LOOK_SECONDS, Math.max(MIN_LOOK_SECONDS, LINES_PER_LOOK / linesPerSecond))

/** Resolves false as soon as the signal aborts. */
const sleeps = ({ clock }: EngineDeps, seconds: number, signal: AbortSignal): Promise<boolean> =>
  clock.sleep(seconds, signal).then(
    () => true,
    () => false,
  )

/** @throws EngineError when fping ends, `signal.reason` when aborted; never returns */
export const watchFping = async (
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
  const everySeconds = lookSeconds(addresses.length / intervalSeconds)
  const doubt = createHostOverloadDetector(
    { everySeconds: everySeconds || CHECK_SECONDS, timeoutSeconds },
    clock.monotonicSeconds(),
  )
  const book = createLoopBook(plan, sink, doubt.isInDoubt)
  const ending = new AbortController()
  let failure: EngineError | undefined
  const fail = (error: EngineError) => {
    failure ??= error
    ending.abort()
  }
  const drift = () => {
    // Held up between the two clocks we would see a step where there is none: of some looks the quickest is right.
    const looks = Array.from({ length: 3 }, () => {
      const from = clock.monotonicSeconds()
      const drift = clock.now().getTime() / 1000 - from
      return { drift, seconds: clock.monotonicSeconds() - from }
    })
    return looks.reduce((best, look) => (look.seconds < best.seconds ? look : best)).drift
  }
  let lastDrift = drift()
  /** Whether the time of day still runs with the clock that cannot be set. */
  const isSteady = (): boolean => {
    const now = drift()
    const step = now - lastDrift
    lastDrift = now
    if (Math.abs(step) < MAX_STEP_SECONDS) return true
    const text = `the clock of this node was stepped by ${step.toFixed(2)} s, which fping cannot cope with; it is started anew`
    fail(new EngineError('failed', Outcome.OUTCOME_INVALID, text))
    return false
  }

  let heardAt = clock.monotonicSeconds()
  let checkedAt = heardAt
  // The first answers take as long as it takes to go round once.
  const quietSeconds = 2 * intervalSeconds + timeoutSeconds + 1
  const check = () => {
    const now = clock.monotonicSeconds()
    const wasHeldUp = now - checkedAt > HELD_UP_SECONDS + CHECK_SECONDS
    checkedAt = now
    doubt.look(now)
    if (!isSteady()) return
    if (doubt.isTooLong(now)) {
      fail(new EngineError('failed', Outcome.OUTCOME_INVALID, TOO_BUSY))
      return
    }
    if (wasHeldUp) {
      heardAt = now
      return
    }
    if (now - heardAt > quietSeconds) fail(new EngineError('failed', Outcome.OUTCOME_NOT_RUN, NOT_SENT))
    else book.expire(now)
    if (book.unknown.length > MAX_UNKNOWN_LINES) fail(rubbishError(program, book.unknown))
  }
  const take = (chunk: Buffer) => {
    if (failure || !isSteady()) return
    heardAt = clock.monotonicSeconds()
    // Lines that are taken as they come have no time at which they should.
    if (everySeconds > 0) doubt.look(heardAt)
    book.read(chunk, heardAt)
  }
  const running = processes.start(program, fpingLoopArgs(plan, source), {
    signal,
    deadlineSeconds: undefined,
    stdout: { take, everySeconds, afterwards: check },
  })
  // A reader that leaves must not wait for the next line.
  ending.signal.addEventListener('abort', () => void running.end(), { once: true })
  const checking = async () => {
    while (everySeconds === 0 && (await sleeps(deps, CHECK_SECONDS, ending.signal))) check()
  }
  const alongside = checking()
  try {
    for await (const { text } of running.lines) book.readError(text, clock.monotonicSeconds())
  } finally {
    ending.abort()
    await Promise.all([running.end(), alongside])
  }
  signal.throwIfAborted()
  throw failure ?? programError(program, await running.done, book.unknown)
}
