/** Options of iperf3 for sustained traffic, which is a sequence of bounded tests. */

import { IperfOptions, Protocol } from '#proto/meshgauge/agent/v1/iperf.ts'
import { toDuration } from '../../../lib/protobuf-time.ts'
import { MAX_DURATION_SECONDS } from '../iperf-request.ts'
import { planIperf } from './args.ts'

/** Minimum number of blocks in an interval, where the bitrate allows it: both endpoints then count bytes in each one. */
const BLOCKS_PER_INTERVAL = 4
const MIN_BLOCK_BYTES = 64
/** iperf3's default block for TCP; that for UDP fits into one packet. */
const TCP_BLOCK_BYTES = 128 * 1024

/** At 50 kbit/s, a block of 128 KiB takes 21 s, during which a healthy flow would look dead. */
const blockBytes = (options: IperfOptions): number | undefined => {
  const { bitsPerSecond, lengthBytes, protocol } = options
  if (lengthBytes !== undefined || !bitsPerSecond || protocol === Protocol.PROTOCOL_UDP) return lengthBytes
  const { intervalSeconds } = planIperf(options)
  const bytes = Math.floor((bitsPerSecond * intervalSeconds) / 8 / BLOCKS_PER_INTERVAL)
  return bytes < TCP_BLOCK_BYTES ? Math.max(MIN_BLOCK_BYTES, bytes) : undefined
}

/** Returns the options of one test of the flow, which takes at most `seconds`. */
export const sustainedOptions = (options: IperfOptions | undefined, seconds: number): IperfOptions => {
  const given = IperfOptions.fromPartial(options ?? {})
  return {
    ...given,
    duration: toDuration(Math.max(1, Math.min(MAX_DURATION_SECONDS, Math.floor(seconds)))),
    lengthBytes: blockBytes(given),
  }
}
