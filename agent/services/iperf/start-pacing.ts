import type { Clock } from '../../../lib/clock.ts'

/** Time between two starts: 200 a second at most. Hundreds of starts then leave time for the agent's own streams. */
const SPACING_SECONDS = 0.005
/** Programs that may start at the same time: at first, at least, and at most. */
const FIRST_LIMIT = 8
const MIN_LIMIT = 2
const MAX_LIMIT = 128
/** Time that a program has to work: at least, and at most. It doubles while programs do not work in time. */
const MIN_TIMEOUT_SECONDS = 3
const MAX_TIMEOUT_SECONDS = 48
/** More programs start at the same time only while a start takes less than this share of its timeout. */
const QUICK_RATIO = 0.4

/** How a start ended. `late` is a sign of overload; `ended` is any other end, which says nothing about the load. */
export type StartEnd = 'works' | 'late' | 'ended'

/** A program that is starting. */
export type PacedStart = {
  /** Time that the program has until it works. */
  readonly timeoutSeconds: number
  /** Reports how the start ended. Later calls have no effect. */
  end(how: StartEnd): void
}

/**
 * Paces the starts of the programs of sustained traffic on one node by their success, as TCP paces packets (additive
 * increase, multiplicative decrease, RFC 5681 section 3.1): the number of programs that start at the same time doubles
 * until starts become slow. When one does not work in time, the number is halved, and then grows by one for each full
 * set of quick starts. So an overloaded node converges: starts that are too slow do not slow down all the others.
 */
export class StartPacer {
  readonly #clock: Clock
  readonly #waiting: (() => void)[] = []
  #limit = FIRST_LIMIT
  #isDoubling = true
  #timeoutSeconds = MIN_TIMEOUT_SECONDS
  #startingCount = 0
  #reducedSeconds = Number.NEGATIVE_INFINITY
  #lastTurn: Promise<void> = Promise.resolve()

  constructor({ clock }: { clock: Clock }) {
    this.#clock = clock
  }

  /**
   * Waits for the caller's turn to start a program. Rejects with the signal's reason.
   * @param silentSeconds time from the moment when the program works until it reports that
   */
  async start(signal: AbortSignal, silentSeconds = 0): Promise<PacedStart> {
    await this.#waitForSlot(signal)
    const startSeconds = this.#clock.monotonicSeconds()
    const timeoutSeconds = this.#timeoutSeconds
    let hasEnded = false
    const end = (how: StartEnd): void => {
      if (hasEnded) return
      hasEnded = true
      this.#startingCount--
      if (how === 'works') this.#recordSuccess(this.#clock.monotonicSeconds() - startSeconds - silentSeconds)
      if (how === 'late') this.#reduce(startSeconds, timeoutSeconds)
      this.#startWaiting()
    }
    try {
      await this.#waitForSpacing(signal)
    } catch (error) {
      end('ended')
      throw error
    }
    return { timeoutSeconds, end }
  }

  async #waitForSlot(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const abort = () => {
      const index = this.#waiting.indexOf(resolve)
      if (index < 0) return
      this.#waiting.splice(index, 1)
      reject(signal.reason)
    }
    signal.addEventListener('abort', abort, { once: true })
    this.#waiting.push(resolve)
    this.#startWaiting()
    await promise
    signal.removeEventListener('abort', abort)
  }

  #startWaiting(): void {
    while (this.#waiting.length > 0 && this.#startingCount < Math.floor(this.#limit)) {
      this.#startingCount++
      this.#waiting.shift()!()
    }
  }

  #waitForSpacing(signal: AbortSignal): Promise<void> {
    // An aborted wait does not delay the turns after it.
    this.#lastTurn = this.#lastTurn
      .then(() => this.#clock.sleep(SPACING_SECONDS, signal))
      .catch(() => undefined)
    return this.#lastTurn.then(() => signal.throwIfAborted())
  }

  #recordSuccess(tookSeconds: number): void {
    if (tookSeconds > QUICK_RATIO * this.#timeoutSeconds) {
      this.#isDoubling = false
      return
    }
    this.#limit = Math.min(MAX_LIMIT, this.#limit + (this.#isDoubling ? 1 : 1 / this.#limit))
    const shorter = this.#timeoutSeconds - 1 / this.#limit
    this.#timeoutSeconds = Math.max(MIN_TIMEOUT_SECONDS, tookSeconds / QUICK_RATIO, shorter)
  }

  /** All starts that overlap with a reduction belong to the same overload, and cause no further one. */
  #reduce(startSeconds: number, timeoutSeconds: number): void {
    if (startSeconds < this.#reducedSeconds) return
    this.#reducedSeconds = this.#clock.monotonicSeconds()
    this.#isDoubling = false
    this.#limit = Math.max(MIN_LIMIT, this.#limit / 2)
    this.#timeoutSeconds = Math.min(MAX_TIMEOUT_SECONDS, timeoutSeconds * 2)
  }
}
