/** The lines that fping 4 and 5 write in count and loop mode. */

import { plausible, plausibleIn } from '../../plausibility.ts'
import { UNUSABLE_RTT } from '../engine.ts'

export type FpingEvent =
  /** A probe was answered, perhaps after UNUSABLE_RTT; `rttSeconds` is undefined when it was lost. */
  | { kind: 'probe'; address: string; sequence: number; rttSeconds: number | undefined }
  /** The network returned an error for a probe to this address. */
  | { kind: 'error'; address: string; reason: string }
  /** At the end of a count: how many probes were sent to this address, including those that failed to leave. */
  | { kind: 'total'; address: string; sentCount: number }
  /** Anything else that is not blank. */
  | { kind: 'unknown'; text: string }

const PROBE = /^(?:\[[\d.]+\] )?(\S+)\s*: \[(\d+)\], (?:\d+ bytes, (\S+) ms|timed out)\b/
const TOTAL = /^(\S+)\s*: xmt\/rcv\/%loss = (\d+)\/\d+\/\d+%/
const ICMP_ERROR = /^(ICMP .+ from \S+) for ICMP Echo sent to (\S+)/
const DUPLICATE = /^(?:\[[\d.]+\] )?\S+\s*: duplicate for \[\d+\]/

/** Parses one line. Returns undefined for blank lines and for second answers to the same probe. */
export const parseFpingLine = (line: string): FpingEvent | undefined => {
  const probe = PROBE.exec(line)
  const sequence = plausible('fping.sequence', probe?.[2])
  if (probe && sequence !== undefined) {
    const [, address, , rtt] = probe
    const rttSeconds = rtt === undefined ? undefined : (plausibleIn('fping.rtt', rtt, 0.001) ?? UNUSABLE_RTT)
    return { kind: 'probe', address: address!, sequence, rttSeconds }
  }
  const total = TOTAL.exec(line)
  const sentCount = plausible('fping.sent', total?.[2])
  if (total && sentCount !== undefined) return { kind: 'total', address: total[1]!, sentCount }
  const error = ICMP_ERROR.exec(line)
  if (error) return { kind: 'error', address: error[2]!, reason: error[1]! }
  if (line.trim() === '' || DUPLICATE.test(line)) return undefined
  return { kind: 'unknown', text: line }
}

/** fping writes no longer line. */
const MAX_LINE_CHARACTERS = 4096

export type ProbeLine = {
  address: string
  sequence: number
  /** Undefined when the probe was lost; UNUSABLE_RTT for an answer after an unknown time. */
  rttSeconds: number | undefined
}

/**
 * Reads `10.0.0.1 : [7], 64 bytes, 0.141 ms (…` and `10.0.0.1 : [7], timed out (…` between two positions of a text.
 * Faster than `parseFpingLine`, and allocates nothing but the address.
 * @param into receives the values
 * @returns false for any other line
 */
export const readProbeLine = (text: string, from: number, to: number, into: ProbeLine): boolean => {
  const space = text.indexOf(' ', from)
  const open = text.indexOf(': [', space)
  if (space <= from || open === -1 || open >= to) return false
  for (let at = space; at < open; at++) if (text.charCodeAt(at) !== 0x20) return false
  let at = open + 3
  let sequence = 0
  for (let digit = text.charCodeAt(at) - 0x30; digit >= 0 && digit <= 9; digit = text.charCodeAt(++at) - 0x30)
    sequence = sequence * 10 + digit
  if (at === open + 3 || !text.startsWith('], ', at)) return false
  if (plausible('fping.sequence', sequence) === undefined) return false
  into.address = text.slice(from, space)
  into.sequence = sequence
  into.rttSeconds = undefined
  if (text.startsWith('timed out', at + 3)) return true
  const bytes = text.indexOf(' bytes, ', at)
  const unit = text.indexOf(' ms ', bytes)
  if (bytes === -1 || unit === -1 || unit >= to) return false
  into.rttSeconds = plausibleIn('fping.rtt', text.slice(bytes + 8, unit), 0.001) ?? UNUSABLE_RTT
  return true
}

type LineHandlers = {
  /** The object is reused for the next line. */
  onProbe: (probe: ProbeLine, now: number) => void
  onOther: (line: string, now: number) => void
  onTooLong: (text: string) => void
}

/** Reads the output of fping in chunks of any size; calls a handler for each line. */
export const createLineReader = ({ onProbe, onOther, onTooLong }: LineHandlers) => {
  const probe: ProbeLine = { address: '', sequence: 0, rttSeconds: undefined }
  let rest = ''
  return (chunk: Buffer, now: number): void => {
    const text = rest + chunk.toString('latin1')
    let from = 0
    for (let to = text.indexOf('\n'); to !== -1; to = text.indexOf('\n', from)) {
      if (readProbeLine(text, from, to, probe)) onProbe(probe, now)
      else onOther(text.slice(from, to), now)
      from = to + 1
    }
    rest = text.slice(from)
    if (rest.length <= MAX_LINE_CHARACTERS) return
    onTooLong(rest)
    rest = ''
  }
}
