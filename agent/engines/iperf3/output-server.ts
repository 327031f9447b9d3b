/**
 * Parses the text of an iperf3 server with -f k. Only the text form reports that the server listens, so servers of every
 * version write text. Hundreds of servers write at the same time, so most lines are rejected by a cheap check.
 */

import { IperfSample } from '#proto/meshgauge/agent/v1/iperf.ts'
import { toDuration } from '../../../lib/protobuf-time.ts'
import { plausible } from '../../plausibility.ts'

const CONNECTED = /^\[ *\d+\] local \S+ port \d+ connected to /
const ROW =
  /^\[ *(?:\d+|SUM)\](?:\[\w\w-S\])? +([\d.]+)-([\d.]+) +sec +[\d.]+ [KMGT]?Bytes +([\d.]+) Kbits\/sec(.*)$/
const TOTAL = /\b(?:sender|receiver) *$/

/** Returns the sample of a line that ends an interval; undefined for other lines. */
export const createServerParser = (): ((line: string) => IperfSample | undefined) => {
  let streams = 0
  let lastEnd = -1
  return (line) => {
    if (line[0] !== '[') return undefined
    const isSum = line.startsWith('[SUM]')
    if (!isSum && CONNECTED.test(line)) {
      streams++
      return undefined
    }
    if (isSum !== streams > 1) return undefined
    const [, start, end, kilobits, rest] = ROW.exec(line) ?? []
    if (start === undefined || TOTAL.test(rest!)) return undefined
    const startSeconds = plausible('iperf3.time', start)
    const endSeconds = plausible('iperf3.time', end)
    const kilobitsPerSecond = plausible('iperf3.rate_kilobits', kilobits)
    if (startSeconds === undefined || endSeconds === undefined || kilobitsPerSecond === undefined)
      return undefined
    // The last interval of a test that breaks off is written twice, and an interval of length 0 may follow.
    if (endSeconds <= startSeconds || endSeconds <= lastEnd) return undefined
    lastEnd = endSeconds
    const bitsPerSecond = Math.round(kilobitsPerSecond * 1000)
    return IperfSample.fromPartial({
      start: toDuration(startSeconds),
      end: toDuration(endSeconds),
      bitsPerSecond,
      // The printed rate has more digits than the printed bytes.
      bytes: Math.round((bitsPerSecond * (endSeconds - startSeconds)) / 8),
      omitted: rest!.includes('(omitted)'),
    })
  }
}
