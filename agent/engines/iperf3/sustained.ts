/** How iperf3 keeps a flow moving for as long as it is wanted: by one bounded test after the other. */

import { IperfOptions, Protocol } from '#proto/meshgauge/agent/v1/iperf.ts'
import { toDuration } from '../../../lib/protobuf-time.ts'
import { MAX_DURATION_SECONDS } from '../iperf-request.ts'
import { planIperf } from './args.ts'

/** Blocks that a stream sends in each interval at least, where its bitrate allows: each end then counts bytes in each. */
const BLOCKS_PER_INTERVAL = 4
const MIN_BLOCK_BYTES = 64
/** iperf3's own block of TCP; that of UDP fits a packet already. */
const TCP_BLOCK_BYTES = 128 * 1024

/** At 50 kbit/s, a block of 128 KiB lasts 21 s: in between, a flow that is well would look dead. */
const blockBytes = (options: IperfOptions): number | undefined => {
  const { bitsPerSecond, lengthBytes, protocol } = options
  if (lengthBytes !== undefined || !bitsPerSecond || protocol === Protocol.PROTOCOL_UDP) return lengthBytes
  const { intervalSeconds } = planIperf(options)
  const bytes = Math.floor((bitsPerSecond * intervalSeconds) / 8 / BLOCKS_PER_INTERVAL)
  return bytes < TCP_BLOCK_BYTES ? Math.max(MIN_BLOCK_BYTES, bytes) : undefined
}

/** The options of one test of so many seconds at most. */
export const sustainedOptions = (options: IperfOptions | undefined, seconds: number): IperfOptions => {
  const given = IperfOptions.fromPartial(options ?? {})
  return {
    ...given,
    duration: toDuration(Math.max(1, Math.min(MAX_DURATION_SECONDS, Math.floor(seconds)))),
    lengthBytes: blockBytes(given),
  }
}
