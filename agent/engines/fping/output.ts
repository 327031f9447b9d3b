/** The lines that fping 4 and 5 write in count and loop mode. */

export type FpingEvent =
  /** A probe was answered, or not in time. */
  | { kind: 'probe'; address: string; sequence: number; rttSeconds: number | undefined }
  /** The network said something about a probe to this address. */
  | { kind: 'complaint'; address: string; reason: string }
  /** At the end of a count: how many probes were sent to this address, those that failed to leave included. */
  | { kind: 'total'; address: string; sentCount: number }
  /** Anything else that is not blank. */
  | { kind: 'unknown'; text: string }

const PROBE = /^(?:\[[\d.]+\] )?(\S+)\s*: \[(\d+)\], (?:\d+ bytes, ([\d.e+]+) ms|timed out)\b/
const TOTAL = /^(\S+)\s*: xmt\/rcv\/%loss = (\d+)\/\d+\/\d+%/
const COMPLAINT = /^(ICMP .+ from \S+) for ICMP Echo sent to (\S+)/
const DUPLICATE = /^(?:\[[\d.]+\] )?\S+\s*: duplicate for \[\d+\]/

/** Undefined for what means nothing: blank lines and second answers to the same probe. */
export const parseFpingLine = (line: string): FpingEvent | undefined => {
  const probe = PROBE.exec(line)
  if (probe) {
    const [, address, sequence, rtt] = probe
    const rttSeconds = rtt === undefined ? undefined : Number(rtt) / 1000
    return { kind: 'probe', address: address!, sequence: Number(sequence), rttSeconds }
  }
  const total = TOTAL.exec(line)
  if (total) return { kind: 'total', address: total[1]!, sentCount: Number(total[2]) }
  const complaint = COMPLAINT.exec(line)
  if (complaint) return { kind: 'complaint', address: complaint[2]!, reason: complaint[1]! }
  if (line.trim() === '' || DUPLICATE.test(line)) return undefined
  return { kind: 'unknown', text: line }
}
