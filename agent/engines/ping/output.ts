/** The lines that iputils' ping writes with -n -O -D. Its sequence numbers count from 1 and wrap at 65536. */

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
const ANSWER = /^\d+ bytes from \S+: icmp_seq=(\d+) .*\btime=([\d.]+) ms( \(DUP!\))?/
const WAITING = /^no answer yet for icmp_seq=(\d+)/
const ICMP_ERROR = /^From (\S+) icmp_seq=\d+ (.+)/
const LOCAL_ERROR = /^ping: (?:local error|sendmsg): (.+)/
const TOTAL = /^(\d+) packets transmitted, \d+ received/
const NO_ROUTE = /^ping: connect: (Network is unreachable|No route to host)/
const IGNORED = /^(?:PING |--- .* ---$|rtt min|$)/

export const parsePingLine = (line: string): PingEvent | undefined => {
  const text = line.replace(STAMP, '').trimEnd()
  const answer = ANSWER.exec(text)
  if (answer) {
    if (answer[3]) return undefined
    return { kind: 'answer', sequence: Number(answer[1]), rttSeconds: Number(answer[2]) / 1000 }
  }
  const waiting = WAITING.exec(text)
  if (waiting) return { kind: 'waiting', sequence: Number(waiting[1]) }
  const error = ICMP_ERROR.exec(text)
  if (error) return { kind: 'error', reason: `${error[2]} from ${error[1]}` }
  const noRoute = NO_ROUTE.exec(text)
  if (noRoute) return { kind: 'no-route', reason: noRoute[1]! }
  const local = LOCAL_ERROR.exec(text)
  if (local) return { kind: 'error', reason: local[1]! }
  const total = TOTAL.exec(text)
  if (total) return { kind: 'total', sentCount: Number(total[1]) }
  return IGNORED.test(text) ? undefined : { kind: 'unknown', text: line }
}

/** Undoes the wrap at 65536: returns the number from 0 that is nearest to the last one. */
export const unwrapSequence = (sequence: number, lastSeen: number): number => {
  const offset = sequence - 1
  return offset + Math.max(0, Math.round((lastSeen - offset) / 65536)) * 65536
}
