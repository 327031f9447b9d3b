/** The text that iperf3 writes with -V -f k. Times have two decimals, and bytes only three digits. */

import { plausible, plausibleIn } from '../../plausibility.ts'
import type { IperfPlan } from './args.ts'
import { BYTE_PREFIXES, figureOf, type Parts, ratioOf } from './figure.ts'
import type { Figure, Figures, IperfOutput, OutputParser, Sample } from './output-events.ts'

const LINE =
  /^\[ *(\d+|SUM)\](?:\[(TX|RX)-C\])? +([\d.]+)-([\d.]+) +sec +(\S+) ([KMGT]?)Bytes +(\S+) Kbits\/sec(.*)$/
const RETRANSMITS = /^ +(-?\d+)\b/
const DATAGRAMS = /(\S+) ms +(-?\d+)\/(-?\d+) \(/
const END = /\b(sender|receiver) *$/
const CPU = /^CPU Utilization: local\/\w+ (\S+)% .*, remote\/\w+ (\S+)% /
const HEADER = /^\[ ID\]/
const STREAM = /^\[ *\d+\] local \S+ port \d+ connected to /
const KNOWN =
  /^(?:iperf 3|Control connection MSS|Setting UDP block size|Time: |Connecting to host|Reverse mode| {6}\S|Starting Test|- - - |Test Complete|snd_tcp_|rcv_tcp_|UDP MSS|TCP MSS)/

/** The line of `uname -a`, which follows the version. */
const SYSTEM = /^(?:Linux|FreeBSD|Darwin) /

/** One line of figures; `start` and `end` are undefined when they are impossible, like all parts. */
type Row = {
  role: 'TX' | 'RX' | undefined
  start: number | undefined
  end: number | undefined
  parts: Parts
  line: string
  rest: string
}

const rowOf = (line: string, match: RegExpExecArray): Row => {
  const [, , role, startText, endText, amount, prefix, kilobits, rest] = match
  const start = plausible('iperf3.time', startText)
  const end = plausible('iperf3.time', endText)
  const parts = {
    seconds: start === undefined || end === undefined ? undefined : end - start,
    bitsPerSecond: plausibleIn('iperf3.rate_kilobits', kilobits, 1000),
    bytes: plausibleIn('iperf3.transfer', amount, 1024 ** BYTE_PREFIXES.indexOf(prefix!)),
  }
  return { role: role as Row['role'], start, end, parts, line, rest: rest! }
}

/** Returns undefined when the line has an impossible figure. */
const figureOfRow = ({ parts, rest }: Row, countsRetransmits: boolean): Figure | undefined => {
  const core = figureOf(parts)
  if (!core) return undefined
  const datagrams = DATAGRAMS.exec(rest)
  return {
    ...core,
    // The printed rate has more digits than the printed bytes.
    bytes: Math.round((core.bitsPerSecond * core.seconds) / 8),
    retransmits: countsRetransmits ? plausible('iperf3.retransmits', RETRANSMITS.exec(rest)?.[1]) : undefined,
    jitterSeconds: plausibleIn('iperf3.jitter', datagrams?.[1], 0.001),
    lossRatio: ratioOf(datagrams?.[2], datagrams?.[3]),
  }
}

export const createTextParser = ({ parallel }: IperfPlan): OutputParser => {
  const wanted = parallel > 1 ? 'SUM' : undefined
  const figures: Figures = {}
  let countsRetransmits = false

  const sampleOf = (row: Row): IperfOutput[] => {
    const figure = figureOfRow(row, countsRetransmits)
    if (!figure) return []
    const sample: Sample = {
      startSeconds: row.start!,
      endSeconds: row.end!,
      bitsPerSecond: figure.bitsPerSecond,
      bytes: figure.bytes,
      retransmits: figure.retransmits,
      omitted: row.rest.includes('(omitted)'),
      reverse: row.role === 'RX',
    }
    return [{ kind: 'sample', sample }]
  }
  const readRow = (row: Row): IperfOutput[] => {
    const end = END.exec(row.rest)?.[1]
    if (!end) return sampleOf(row)
    const name = row.role !== 'RX' ? (end as 'sender' | 'receiver') : 'reverseReceiver'
    if (row.role === 'RX' && end === 'sender') return []
    const figure = figureOfRow(row, countsRetransmits)
    if (figure) figures[name] = figure
    else figures.impossible ??= row.line
    return []
  }
  return {
    push: (line) => {
      const match = LINE.exec(line)
      if (match) {
        if ((match[1] === 'SUM') !== (wanted === 'SUM')) return []
        return readRow(rowOf(line, match))
      }
      if (HEADER.test(line)) {
        // Without this column, the number in its place is a count of datagrams.
        countsRetransmits = line.includes('Retr')
        return []
      }
      const cpu = CPU.exec(line)
      if (cpu) {
        const local = plausibleIn('iperf3.cpu', cpu[1], 0.01)
        const remote = plausibleIn('iperf3.cpu', cpu[2], 0.01)
        if (local !== undefined) figures.localCpuRatio ??= local
        if (remote !== undefined) figures.remoteCpuRatio ??= remote
        return []
      }
      if (STREAM.test(line)) return [{ kind: 'began' }]
      if (line.startsWith('iperf Done.')) return [{ kind: 'summary', figures }]
      return KNOWN.test(line) || SYSTEM.test(line) ? [] : [{ kind: 'unknown', text: line }]
    },
  }
}
