/**
 * Counts each probe of an fping that runs without end exactly once. It uses rows of numbers instead of an object for
 * each probe. Pure; the time is passed in, in seconds.
 */

import type { PingSink } from '../engine.ts'
import type { PingPlan } from '../ping-request.ts'
import { createLineReader, type ProbeLine, parseFpingLine } from './output.ts'

export const NOT_SENT =
  'the probe could not be sent: no route, no answer to ARP, interface down, or larger than the MTU'

/** Longest delay of a line after its probe was answered or timed out: output is read at intervals, on a busy machine. */
const LATE_SECONDS = 0.5

/** Accuracy of the time at which a probe was sent, as derived from its line: one read interval. */
const READ_SECONDS = 0.1

/** Largest step between sequence numbers, which count the rounds: more than fping can miss while it is stopped. */
const MAX_JUMP = 100_000

/** Probes of a target that may be open at the same time: one bit of a 32-bit number for each. */
const OPEN_PROBES = 32

/** Results of a probe other than its round-trip time. */
const LOST = Number.NaN
const NEVER_SENT = Number.NEGATIVE_INFINITY
/** Lost while fping's results were not reliable: not reported at all. */
const UNCERTAIN = Number.POSITIVE_INFINITY

/**
 * Puts the results of a target into the order in which its probes were sent. After a cut, the answers to new probes
 * arrive before the last old ones time out, and those old ones are no new loss.
 */
class ProbeOrder {
  /** All probes below this number are reported. */
  readonly reportedBelow: Float64Array
  /** One bit for each probe from `reportedBelow` on that has a result. */
  readonly #settledBits: Uint32Array
  readonly #results: Float64Array
  readonly #report: (index: number, result: number) => void

  constructor(count: number, report: (index: number, result: number) => void) {
    this.reportedBelow = new Float64Array(count)
    this.#settledBits = new Uint32Array(count)
    this.#results = new Float64Array(count * OPEN_PROBES)
    this.#report = report
  }

  #reportNext(index: number, result: number): void {
    this.#settledBits[index]! >>>= 1
    this.reportedBelow[index]!++
    this.#report(index, result)
  }

  #reportSettled(index: number): void {
    while (this.#settledBits[index]! & 1) {
      const position = this.reportedBelow[index]! % OPEN_PROBES
      this.#reportNext(index, this.#results[index * OPEN_PROBES + position]!)
    }
  }

  /** Reports all probes below this number; those without a result get `missing`. */
  expire(index: number, below: number, missing: number): void {
    this.#reportSettled(index)
    while (this.reportedBelow[index]! < below) {
      this.#reportNext(index, missing)
      this.#reportSettled(index)
    }
  }

  /** Adds the result of a probe, unless it has one. Probes that are too old to stay open get `missing`. */
  settle(index: number, sequence: number, result: number, missing: number): void {
    if (sequence < this.reportedBelow[index]!) return
    if (sequence >= this.reportedBelow[index]! + OPEN_PROBES)
      this.expire(index, sequence - OPEN_PROBES + 1, missing)
    const bit = (1 << (sequence - this.reportedBelow[index]!)) >>> 0
    if (this.#settledBits[index]! & bit) return
    if (bit === 1) {
      this.#reportNext(index, result)
      this.#reportSettled(index)
    } else {
      this.#settledBits[index]! |= bit
      this.#results[index * OPEN_PROBES + (sequence % OPEN_PROBES)] = result
    }
  }
}

/**
 * Remembers the largest delay of fping's sending during the last seconds. An fping that was stopped catches up slowly:
 * it sends all the probes that it missed, and for many seconds its probes leave later than their numbers say.
 */
const createSendDelay = (rememberSeconds: number) => {
  let period = 0
  let largest = 0
  let largestBefore = 0
  const advance = (at: number) => {
    const current = Math.floor(at / rememberSeconds)
    if (current === period) return
    largestBefore = current === period + 1 ? largest : 0
    largest = 0
    period = current
  }
  return {
    add: (seconds: number, at: number): void => {
      advance(at)
      if (seconds > largest) largest = seconds
    },
    seconds: (at: number): number => {
      advance(at)
      return Math.max(largest, largestBefore)
    },
  }
}

/** @param isUncertain whether a loss that is read now may be wrong */
export const createContinuousLedger = (
  plan: PingPlan,
  sink: PingSink,
  isUncertain: (now: number) => boolean,
) => {
  const { addresses, intervalSeconds, timeoutSeconds } = plan
  const indexOf = new Map(addresses.map((address, index) => [address, index]))
  /** Errors that the network returned, for the next loss of an address. */
  const errors = new Map<string, string>()
  const unknown: string[] = []
  /** When probe 0 of a target was sent: the earliest time that its lines allow. */
  const firstSentAt = new Float64Array(addresses.length).fill(Number.POSITIVE_INFINITY)
  let highestSequence = -1
  /** When the latest probe of all lines was due to be sent. */
  let reachedAt = Number.NEGATIVE_INFINITY
  const sendDelay = createSendDelay(timeoutSeconds + LATE_SECONDS)

  const report = (index: number, result: number) => {
    if (result === UNCERTAIN) return
    const address = addresses[index]!
    const error = errors.size > 0 ? errors.get(address) : undefined
    if (error !== undefined) errors.delete(address)
    if (result === NEVER_SENT) sink(index, undefined, false, error ?? NOT_SENT)
    else if (Number.isNaN(result)) sink(index, undefined, false, error ?? '')
    else sink(index, result, false, '')
  }
  const order = new ProbeOrder(addresses.length, report)
  const missing = (now: number) => (isUncertain(now) ? UNCERTAIN : NEVER_SENT)

  const onProbe = ({ address, sequence, rttSeconds }: ProbeLine, now: number) => {
    if (sequence > highestSequence + MAX_JUMP) {
      unknown.push(`${address} : [${sequence}]`)
      return
    }
    const sentAt = now - Math.max(0, rttSeconds ?? timeoutSeconds)
    const result = rttSeconds ?? (isUncertain(now) ? UNCERTAIN : LOST)
    highestSequence = Math.max(highestSequence, sequence)
    const index = indexOf.get(address)
    if (index === undefined) return
    firstSentAt[index] = Math.min(firstSentAt[index]!, sentAt - sequence * intervalSeconds)
    const dueAt = firstSentAt[index]! + sequence * intervalSeconds
    reachedAt = Math.max(reachedAt, dueAt)
    sendDelay.add(sentAt - dueAt, now)
    order.settle(index, sequence, result, missing(now))
  }
  const onOther = (text: string, now: number) => {
    const event = parseFpingLine(text)
    if (event?.kind === 'probe') onProbe(event, now)
    else if (event?.kind === 'error' && indexOf.has(event.address)) errors.set(event.address, event.reason)
    else if (event?.kind === 'unknown') unknown.push(event.text)
  }
  // For a target without any line, the lines of the others show how far it must be: all are probed in rounds.
  const slack = 1 + Math.ceil((timeoutSeconds + LATE_SECONDS) / intervalSeconds + 1)

  return {
    /** Reads a part of what fping wrote to stdout. */
    read: createLineReader({ onProbe, onOther, onTooLong: (text) => unknown.push(text) }),
    /** Reads a line of stderr. */
    readError: onOther,
    /**
     * Counts as lost the probes that fping should have reported by now: it could not send them. Only probes that were
     * due before one that fping did send. A time in which fping sends nothing, or sends late, is no loss of a target.
     */
    expire: (now: number): void => {
      const overdue = now - timeoutSeconds - LATE_SECONDS - sendDelay.seconds(now)
      const due = Math.min(overdue, reachedAt - Math.min(intervalSeconds, READ_SECONDS))
      for (let index = 0; index < addresses.length; index++) {
        const start = firstSentAt[index]!
        const below =
          start === Number.POSITIVE_INFINITY
            ? highestSequence - slack + 1
            : Math.ceil((due - start) / intervalSeconds)
        if (below > order.reportedBelow[index]!) order.expire(index, below, missing(now))
      }
    },
    /** Lines that were not understood. */
    unknown,
  }
}
