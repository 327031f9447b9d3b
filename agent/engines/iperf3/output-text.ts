/** The text that iperf3 writes with -V -f k. Times have two decimals, and bytes only three digits. */

import type { IperfPlan } from './args.ts'
import type { Figure, Figures, IperfOutput, OutputParser, Sample } from './output-events.ts'

const LINE =
  /^\[ *(\d+|SUM)\](?:\[(TX|RX)-C\])? +([\d.]+)-([\d.]+) +sec +[\d.]+ [KMGT]?Bytes +([\d.]+) Kbits\/sec(.*)$/
const RETRANSMITS = /^ +(\d+)\b/
const DATAGRAMS = /([\d.]+) ms +(-?\d+)\/(\d+) \(/
const END = /\b(sender|receiver) *$/
const CPU = /^CPU Utilization: local\/\w+ ([\d.]+)% .*, remote\/\w+ ([\d.]+)% /
const HEADER = /^\[ ID\]/
const STREAM = /^\[ *\d+\] local \S+ port \d+ connected to /
const KNOWN =
  /^(?:iperf 3|Control connection MSS|Setting UDP block size|Time: |Connecting to host|Reverse mode| {6}\S|Starting Test|- - - |Test Complete|snd_tcp_|rcv_tcp_|UDP MSS|TCP MSS)/

/** The line of `uname -a`, which follows the version. */
const SYSTEM = /^(?:Linux|FreeBSD|Darwin) /

type Row = { role: 'TX' | 'RX' | undefined; start: number; end: number; bitsPerSecond: number; rest: string }

const figureOf = ({ start, end, bitsPerSecond, rest }: Row, countsRetransmits: boolean): Figure => {
  const seconds = end - start
  const datagrams = DATAGRAMS.exec(rest)
  const retransmits = countsRetransmits ? RETRANSMITS.exec(rest) : null
  const total = Number(datagrams?.[3] ?? 0)
  return {
    seconds,
    bitsPerSecond,
    // The printed rate has more digits than the printed bytes.
    bytes: Math.round((bitsPerSecond * seconds) / 8),
    retransmits: retransmits ? Number(retransmits[1]) : undefined,
    jitterSeconds: datagrams ? Number(datagrams[1]) / 1000 : undefined,
    lossRatio: total > 0 ? Math.max(0, Number(datagrams![2])) / total : undefined,
  }
}

export const createTextParser = ({ parallel }: IperfPlan): OutputParser => {
  const wanted = parallel > 1 ? 'SUM' : undefined
  const figures: Figures = {}
  let countsRetransmits = false

  const sampleOf = (row: Row): Sample => {
    const { bitsPerSecond, bytes, retransmits } = figureOf(row, countsRetransmits)
    return {
      startSeconds: row.start,
      endSeconds: row.end,
      bitsPerSecond,
      bytes,
      retransmits,
      omitted: row.rest.includes('(omitted)'),
      reverse: row.role === 'RX',
    }
  }
  const readRow = (row: Row): IperfOutput[] => {
    const end = END.exec(row.rest)?.[1]
    if (!end) return [{ kind: 'sample', sample: sampleOf(row) }]
    const figure = figureOf(row, countsRetransmits)
    if (row.role !== 'RX') figures[end as 'sender' | 'receiver'] = figure
    else if (end === 'receiver') figures.reverseReceiver = figure
    return []
  }
  return {
    push: (line) => {
      const match = LINE.exec(line)
      if (match) {
        const [, id, role, start, end, kilobits, rest] = match
        if ((id === 'SUM') !== (wanted === 'SUM')) return []
        return readRow({
          role: role as Row['role'],
          start: Number(start),
          end: Number(end),
          bitsPerSecond: Math.round(Number(kilobits) * 1000),
          rest: rest!,
        })
      }
      if (HEADER.test(line)) {
        // Without this column, the number in its place is a count of datagrams.
        countsRetransmits = line.includes('Retr')
        return []
      }
      const cpu = CPU.exec(line)
      if (cpu) {
        figures.localCpuRatio ??= Number(cpu[1]) / 100
        figures.remoteCpuRatio ??= Number(cpu[2]) / 100
        return []
      }
      if (STREAM.test(line)) return [{ kind: 'began' }]
      if (line.startsWith('iperf Done.')) return [{ kind: 'summary', figures }]
      return KNOWN.test(line) || SYSTEM.test(line) ? [] : [{ kind: 'unknown', text: line }]
    },
  }
}
