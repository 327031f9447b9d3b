const MIN_BACKOFF_SECONDS = 0.25
const MAX_BACKOFF_SECONDS = 5
/**
 * After this time without an answer an agent is called only once a minute; `wake` ends the wait when another part of
 * the collector reaches it. An agent that answers and refuses (it serves another collector) keeps the short backoff.
 */
const AWAY_SECONDS = 60
export const MAX_AWAY_BACKOFF_SECONDS = 60

/** The wait between two calls: doubles with each call, with jitter; longer for an agent that cannot be reached. */
export class Backoff {
  readonly #random: () => number
  #seconds = MIN_BACKOFF_SECONDS
  #reachedSeconds: number

  constructor(random: () => number, nowSeconds: number) {
    this.#random = random
    this.#reachedSeconds = nowSeconds
  }

  reset(nowSeconds: number): void {
    this.#seconds = MIN_BACKOFF_SECONDS
    this.#reachedSeconds = nowSeconds
  }

  /** Records a call that reached the agent and has ended. */
  recordReached(openSeconds: number, nowSeconds: number): void {
    if (openSeconds > 2 * MAX_BACKOFF_SECONDS) this.#seconds = MIN_BACKOFF_SECONDS
    this.#reachedSeconds = nowSeconds
  }

  next(nowSeconds: number): number {
    const wait = this.#seconds * (0.5 + 0.5 * this.#random())
    const isAway = nowSeconds - this.#reachedSeconds > AWAY_SECONDS
    this.#seconds = Math.min(isAway ? MAX_AWAY_BACKOFF_SECONDS : MAX_BACKOFF_SECONDS, this.#seconds * 2)
    return wait
  }
}
