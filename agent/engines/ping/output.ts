/** The lines that iputils' ping writes with -n -O -D. Its sequence numbers count from 1 and wrap at 65536. */

import { plausible, plausibleIn } from '../../plausibility.ts'
import { UNUSABLE_RTT } from '../engine.ts'

export type PingEvent =
  | { kind: 'answer'; sequence: number; rttSeconds: number }
  /** The probe is sent and not answered yet. */
  | { kind: 'waiting'; sequence: number }
  /** The network, or this host, returned an error for a probe. */
  | { kind: 'error'; reason: string }
  | { kind: 'total'; sentCount: number }
  /** ping ended before it sent anything, because there is no route to the target. */
  | { kind: 'no-route'; reason: string }
  | { kind: 'unknown'; text: string }

const STAMP = /^\[[\d.]+\] /
const ANSWER = /^\d+ bytes from \S+: icmp_seq=(\d+) .*\btime=(\S+) ms( \(DUP!\))?/
const WAITING = /^no answer yet for icmp_seq=(\d+)/
const ICMP_ERROR = /^From (\S+) icmp_seq=\d+ (.+)/
const LOCAL_ERROR = /^ping: (?:local error|sendmsg): (.+)/
const TOTAL = /^(\d+) packets transmitted, \d+ received/
const NO_ROUTE = /^ping: connect: (Network is unreachable|No route to host)/
const IGNORED = /^(?:PING |(?:ping: )?warning: time of day goes back |--- .* ---$|rtt min|$)/i

/** The event of a line whose sequence number is possible; the others are not understood. */
const sequenced = (
  text: string | undefined,
  line: string,
  eventOf: (sequence: number) => PingEvent,
): PingEvent => {
  const sequence = plausible('ping.sequence', text)
  return sequence === undefined ? { kind: 'unknown', text: line } : eventOf(sequence)
}

export const parsePingLine = (line: string): PingEvent | undefined => {
  const text = line.replace(STAMP, '').trimEnd()
  const answer = ANSWER.exec(text)
  if (answer) {
    if (answer[3]) return undefined
    const rttSeconds = plausibleIn('ping.rtt', answer[2], 0.001) ?? UNUSABLE_RTT
    return sequenced(answer[1], line, (sequence) => ({ kind: 'answer', sequence, rttSeconds }))
  }
  const waiting = WAITING.exec(text)
  if (waiting) return sequenced(waiting[1], line, (sequence) => ({ kind: 'waiting', sequence }))
  const error = ICMP_ERROR.exec(text)
  if (error) return { kind: 'error', reason: `${error[2]} from ${error[1]}` }
  const noRoute = NO_ROUTE.exec(text)
  if (noRoute) return { kind: 'no-route', reason: noRoute[1]! }
  const local = LOCAL_ERROR.exec(text)
  if (local) return { kind: 'error', reason: local[1]! }
  const total = TOTAL.exec(text)
  const sentCount = plausible('ping.sent', total?.[1])
  if (sentCount !== undefined) return { kind: 'total', sentCount }
  return IGNORED.test(text) ? undefined : { kind: 'unknown', text: line }
}

/** Undoes the wrap at 65536: returns the number from 0 that is nearest to the last one. */
export const unwrapSequence = (sequence: number, lastSeen: number): number => {
  const offset = sequence - 1
  return offset + Math.max(0, Math.round((lastSeen - offset) / 65536)) * 65536
}
