/**
 * fping without end: its lines read byte by byte as they are, and one row of numbers for each target instead of objects.
 * Pure bookkeeping; the time is told to it.
 */

import type { PingSink } from '../engine.ts'
import type { PingPlan } from '../ping-request.ts'
import { parseFpingLine } from './output.ts'

export const NOT_SENT =
  'the probe could not be sent: no route, no answer to ARP, interface down, or larger than the MTU'

/** A line may come so much later than its probe was answered or given up: reading now and then, and a busy machine. */
const LATE_SECONDS = 0.5

/** What came of a target's probes after the first open one, one bit each: so many may be open. */
const OPEN_PROBES = 32

/** No line of fping's is longer; what is, is not from fping. */
const MAX_LINE_CHARACTERS = 4096

type ProbeLine = {
  address: string
  sequence: number /** Undefined when lost. */
  rttSeconds: number | undefined
}

const line: ProbeLine = { address: '', sequence: 0, rttSeconds: undefined }

/**
 * Reads `10.0.0.1 : [7], 64 bytes, 0.141 ms (…` and `10.0.0.1 : [7], timed out (…` between two positions.
 * @returns the same object each time, or undefined for any other line
 */
export const readProbeLine = (text: string, from: number, to: number): ProbeLine | undefined => {
  const space = text.indexOf(' ', from)
  const open = text.indexOf(': [', space)
  if (space <= from || open === -1 || open >= to) return undefined
  for (let at = space; at < open; at++) if (text.charCodeAt(at) !== 0x20) return undefined
  let at = open + 3
  let sequence = 0
  for (let digit = text.charCodeAt(at) - 0x30; digit >= 0 && digit <= 9; digit = text.charCodeAt(++at) - 0x30)
    sequence = sequence * 10 + digit
  if (at === open + 3 || !text.startsWith('], ', at)) return undefined
  line.address = text.slice(from, space)
  line.sequence = sequence
  line.rttSeconds = undefined
  if (text.startsWith('timed out', at + 3)) return line
  const bytes = text.indexOf(' bytes, ', at)
  const unit = text.indexOf(' ms ', bytes)
  if (bytes === -1 || unit === -1 || unit >= to) return undefined
  const milliseconds = Number(text.slice(bytes + 8, unit))
  if (!(milliseconds >= 0)) return undefined
  line.rttSeconds = milliseconds / 1000
  return line
}

/** How exactly a line tells when its probe was sent, give or take a look at the pipe. */
const LOOK_SECONDS = 0.1

/**
 * How late fping sends, at the most in the last moments. One that was stopped makes up for it slowly: it sends all that
 * it has missed, one after the other, and for many seconds its probes leave later than their numbers say.
 */
const createLag = (rememberSeconds: number) => {
  let generation = 0
  let now = 0
  let before = 0
  const turn = (at: number) => {
    const current = Math.floor(at / rememberSeconds)
    if (current === generation) return
    before = current === generation + 1 ? now : 0
    now = 0
    generation = current
  }
  return {
    saw: (seconds: number, at: number): void => {
      turn(at)
      if (seconds > now) now = seconds
    },
    seconds: (at: number): number => {
      turn(at)
      return Math.max(now, before)
    },
  }
}

/** What came of a probe that was lost while fping could not be believed: nothing is said of it. */
const DOUBTFUL = Number.POSITIVE_INFINITY

/** @param isInDoubt whether a loss that is heard of now may be none */
export const createLoopBook = (plan: PingPlan, sink: PingSink, isInDoubt: (now: number) => boolean) => {
  const { addresses, intervalSeconds, timeoutSeconds } = plan
  const count = addresses.length
  /** The same address may be there twice: each names the next one, -1 for none. */
  const nextSame = new Int32Array(count).fill(-1)
  const firstOf = new Map<string, number>()
  for (let index = count - 1; index >= 0; index--) {
    nextSame[index] = firstOf.get(addresses[index]!) ?? -1
    firstOf.set(addresses[index]!, index)
  }
  /**
   * All probes below this one are told; `above` has a bit for each of the next that is settled, and `settled` what came
   * of it: its round-trip time, not a number when it was lost, or DOUBTFUL. They are told in the order in which they were sent, for after a cut the
   * answers to new probes come before the last old ones time out, and these are no new loss.
   */
  const toldBelow = new Float64Array(count)
  const above = new Uint32Array(count)
  const settled = new Float64Array(count * OPEN_PROBES)
  /** When the probe of number 0 of a target was sent, as far as is known: the earliest that its lines allow. */
  const phase = new Float64Array(count).fill(Number.POSITIVE_INFINITY)
  const complaints = new Map<string, string>()
  const unknown: string[] = []
  let frontier = -1
  /** When the latest probe that was heard of was to be sent, by the numbers of its target. */
  let reachedAt = Number.NEGATIVE_INFINITY
  const lag = createLag(timeoutSeconds + LATE_SECONDS)
  let rest = ''

  const lose = (index: number, missing: string) => {
    const address = addresses[index]!
    sink(index, undefined, false, complaints.get(address) ?? missing)
    complaints.delete(address)
  }
  const tell = (index: number, rttSeconds: number) => {
    above[index]! >>>= 1
    toldBelow[index]!++
    if (Number.isNaN(rttSeconds)) lose(index, '')
    else if (rttSeconds !== DOUBTFUL) {
      if (complaints.size > 0) complaints.delete(addresses[index]!)
      sink(index, rttSeconds, false, '')
    }
  }
  const tellSettled = (index: number) => {
    while (above[index]! & 1) {
      tell(index, settled[index * OPEN_PROBES + (toldBelow[index]! % OPEN_PROBES)]!)
    }
  }
  /** Everything below is lost if it is not settled. */
  const expire = (index: number, below: number, isDoubtful: boolean) => {
    tellSettled(index)
    while (toldBelow[index]! < below) {
      above[index]! >>>= 1
      toldBelow[index]!++
      if (!isDoubtful) lose(index, NOT_SENT)
      tellSettled(index)
    }
  }
  /** A probe that was settled before says nothing more. */
  const settle = (index: number, sequence: number, rttSeconds: number, now: number) => {
    if (sequence < toldBelow[index]!) return
    if (sequence >= toldBelow[index]! + OPEN_PROBES) expire(index, sequence - OPEN_PROBES + 1, isInDoubt(now))
    const bit = (1 << (sequence - toldBelow[index]!)) >>> 0
    if (above[index]! & bit) return
    if (bit === 1) {
      tell(index, rttSeconds)
      tellSettled(index)
    } else {
      above[index]! |= bit
      settled[index * OPEN_PROBES + (sequence % OPEN_PROBES)] = rttSeconds
    }
  }
  const hear = ({ address, sequence, rttSeconds }: ProbeLine, now: number) => {
    const sentAt = now - (rttSeconds ?? timeoutSeconds)
    const result = rttSeconds ?? (isInDoubt(now) ? DOUBTFUL : Number.NaN)
    frontier = Math.max(frontier, sequence)
    for (let index = firstOf.get(address) ?? -1; index !== -1; index = nextSame[index]!) {
      phase[index] = Math.min(phase[index]!, sentAt - sequence * intervalSeconds)
      const planned = phase[index]! + sequence * intervalSeconds
      reachedAt = Math.max(reachedAt, planned)
      lag.saw(sentAt - planned, now)
      settle(index, sequence, result, now)
    }
  }
  const readOther = (text: string, now: number) => {
    const event = parseFpingLine(text)
    if (event?.kind === 'probe') hear(event, now)
    else if (event?.kind === 'complaint' && firstOf.has(event.address))
      complaints.set(event.address, event.reason)
    else if (event?.kind === 'unknown') unknown.push(event.text)
  }
  // Where nothing was ever heard of a target, those of the others tell how far it must be: all go round together.
  const slack = 1 + Math.ceil((timeoutSeconds + LATE_SECONDS) / intervalSeconds + 1)

  return {
    /** What fping wrote to stdout, cut anywhere. */
    read: (chunk: Buffer, now: number): void => {
      const text = rest + chunk.toString('latin1')
      let from = 0
      for (let to = text.indexOf('\n'); to !== -1; to = text.indexOf('\n', from)) {
        const probe = readProbeLine(text, from, to)
        if (probe) hear(probe, now)
        else readOther(text.slice(from, to), now)
        from = to + 1
      }
      rest = text.slice(from)
      if (rest.length > MAX_LINE_CHARACTERS) {
        unknown.push(rest)
        rest = ''
      }
    },
    /** A whole line of stderr. */
    readError: readOther,
    /**
     * Counts as lost what fping must have told of by now and has not: it could not send it. Only what was due before
     * something that fping did send, so that a time in which it sends nothing at all, or late, accuses nobody.
     */
    expire: (now: number): void => {
      const overdue = now - timeoutSeconds - LATE_SECONDS - lag.seconds(now)
      const due = Math.min(overdue, reachedAt - Math.min(intervalSeconds, LOOK_SECONDS))
      for (let index = 0; index < count; index++) {
        const start = phase[index]!
        const below =
          start === Number.POSITIVE_INFINITY
            ? frontier - slack + 1
            : Math.ceil((due - start) / intervalSeconds)
        if (below > toldBelow[index]!) expire(index, below, isInDoubt(now))
      }
    },
    unknown,
  }
}
