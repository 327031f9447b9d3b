import type { IperfOptions } from '#proto/meshgauge/agent/v1/iperf.ts'
import type { RunSpec } from '#proto/meshgauge/collector/v1/run.ts'
import { fromDuration } from '../../lib/protobuf-time.ts'

/** Time of a pair in addition to its test: the start of the server, two calls, and the program's handshake. */
export const PAIR_OVERHEAD_SECONDS = 0.3

const DEFAULT_PING_COUNT = 10
const DEFAULT_IPERF_SECONDS = 10

/** Returns the expected length of one test in seconds, with its warm-up. */
export const testSeconds = ({ test }: RunSpec): number => {
  if (test?.$case === 'ping') {
    const { count, interval, timeout } = test.value
    return (
      ((count ?? DEFAULT_PING_COUNT) - 1) * (fromDuration(interval) ?? 1) +
      Math.min(fromDuration(timeout) ?? 1, 1)
    )
  }
  const options = test?.value.options
  return iperfSeconds(options)
}

const iperfSeconds = (options: IperfOptions | undefined): number => {
  const omit = fromDuration(options?.omit) ?? 0
  const rate = (options?.bitsPerSecond ?? 0) * (options?.parallelCount ?? 1)
  if (options?.bytes !== undefined)
    return omit + (rate > 0 ? (options.bytes * 8) / rate : DEFAULT_IPERF_SECONDS)
  return omit + (fromDuration(options?.duration) ?? DEFAULT_IPERF_SECONDS)
}

/** Returns the bytes of all tests; undefined when neither the request nor the interfaces tell the rate. */
export const bytesOf = (
  prepared: { spec: RunSpec; sources: Int32Array },
  speedOf: (endpoint: number) => number | undefined,
): number | undefined => {
  const { test } = prepared.spec
  const count = prepared.sources.length
  if (test?.$case === 'ping') {
    // 20 bytes of IPv4 header and 8 of ICMP header, in both directions.
    return count * (test.value.count ?? DEFAULT_PING_COUNT) * 2 * ((test.value.sizeBytes ?? 56) + 28)
  }
  const options = test?.value.options
  if (options?.bytes !== undefined) return count * options.bytes
  const asked = (options?.bitsPerSecond ?? 0) * (options?.parallelCount ?? 1)
  let bits = 0
  for (const source of prepared.sources) {
    const rate = asked > 0 ? asked : speedOf(source)
    if (rate === undefined) return undefined
    bits += rate * iperfSeconds(options)
  }
  return Math.round(bits / 8)
}
