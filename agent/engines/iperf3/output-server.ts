/**
 * Parses the text of an iperf3 server with -f k. Only the text form reports that the server listens, so servers of every
 * version write text. Hundreds of servers write at the same time, so most lines are rejected by a cheap check.
 */

import { IperfSample } from '#proto/meshgauge/agent/v1/iperf.ts'
import { toDuration } from '../../../lib/protobuf-time.ts'
import { plausible, plausibleIn } from '../../plausibility.ts'
import { BYTE_PREFIXES, figureOf } from './figure.ts'
import type { Figure } from './output-events.ts'

const CONNECTED = /^\[ *\d+\] local \S+ port \d+ connected to /
const ROW =
  /^\[ *(?:\d+|SUM)\](?:\[\w\w-S\])? +([\d.]+)-([\d.]+) +sec +(\S+) ([KMGT]?)Bytes +(\S+) Kbits\/sec(.*)$/
const TOTAL = /\b(sender|receiver) *$/

/** What the server counted over the whole test, summed over its streams. */
export type ServerTotals = {
  received?: Figure
  sent?: Figure
  /** A line whose figures are impossible. */
  impossible?: string
}

type Row = { startSeconds: number; endSeconds: number; figure: Figure }

const rowOf = (match: RegExpExecArray): Row | undefined => {
  const [, start, end, amount, prefix, kilobits] = match
  const startSeconds = plausible('iperf3.time', start)
  const endSeconds = plausible('iperf3.time', end)
  if (startSeconds === undefined || endSeconds === undefined) return undefined
  const seconds = endSeconds - startSeconds
  const bitsPerSecond = plausibleIn('iperf3.rate_kilobits', kilobits, 1000)
  const printed = plausibleIn('iperf3.transfer', amount, 1024 ** BYTE_PREFIXES.indexOf(prefix!))
  const figure = figureOf({ seconds, bitsPerSecond, bytes: printed })
  // The printed rate has more digits than the printed bytes.
  return (
    figure && {
      startSeconds,
      endSeconds,
      figure: { ...figure, bytes: Math.round((figure.bitsPerSecond * seconds) / 8) },
    }
  )
}

const add = (before: Figure | undefined, { seconds, bitsPerSecond, bytes }: Figure): Figure => ({
  seconds,
  bitsPerSecond: (before?.bitsPerSecond ?? 0) + bitsPerSecond,
  bytes: (before?.bytes ?? 0) + bytes,
})

/**
 * Returns the sample of a line that ends an interval; undefined for other lines.
 * @param totals receives what the last lines state
 */
export const createServerParser = (totals: ServerTotals): ((line: string) => IperfSample | undefined) => {
  let streams = 0
  let lastEnd = -1
  const addTotal = (end: string, isSum: boolean, row: Row | undefined, line: string) => {
    if (!row) {
      totals.impossible ??= line
      return
    }
    const name = end === 'receiver' ? 'received' : 'sent'
    // The line of all streams is the last one.
    totals[name] = isSum ? row.figure : add(totals[name], row.figure)
  }
  return (line) => {
    if (line[0] !== '[') return undefined
    const isSum = line.startsWith('[SUM]')
    if (!isSum && CONNECTED.test(line)) {
      streams++
      return undefined
    }
    const match = ROW.exec(line)
    if (!match) return undefined
    const rest = match[6]!
    const end = TOTAL.exec(rest)?.[1]
    if (end !== undefined) {
      addTotal(end, isSum, rowOf(match), line)
      return undefined
    }
    if (isSum !== streams > 1) return undefined
    const row = rowOf(match)
    // The last interval of a test that breaks off is written twice, and an interval of length 0 may follow.
    if (!row || row.endSeconds <= row.startSeconds || row.endSeconds <= lastEnd) return undefined
    lastEnd = row.endSeconds
    return IperfSample.fromPartial({
      start: toDuration(row.startSeconds),
      end: toDuration(row.endSeconds),
      bitsPerSecond: row.figure.bitsPerSecond,
      bytes: row.figure.bytes,
      omitted: rest.includes('(omitted)'),
    })
  }
}

/** Bytes above its rate that a client may move: the blocks that iperf3 sends at once, on each of some streams. */
const BURST_BYTES = 2 * 1024 * 1024

/**
 * Returns a function that states whether the streams of a server have moved more than a rate allows, both directions
 * together. It takes each line of the output.
 */
export const createRateWatch = (): ((line: string, maxBitsPerSecond: number) => boolean) => {
  let bytes = 0
  let seconds = 0
  return (line, maxBitsPerSecond) => {
    if (maxBitsPerSecond === 0 || line[0] !== '[' || line.startsWith('[SUM]')) return false
    const match = ROW.exec(line)
    if (!match || TOTAL.test(match[6]!)) return false
    const row = rowOf(match)
    if (!row) return false
    bytes += row.figure.bytes
    seconds = Math.max(seconds, row.endSeconds)
    return bytes > BURST_BYTES + (1.1 * maxBitsPerSecond * seconds) / 8
  }
}
