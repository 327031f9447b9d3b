import type { IperfOptions } from '#proto/meshgauge/agent/v1/iperf.ts'
import type { RunSpec } from '#proto/meshgauge/collector/v1/run.ts'
import { fromDuration } from '../../lib/protobuf-time.ts'

/** Time of a pair in addition to its test: the start of the server, two calls, and the program's handshake. */
export const PAIR_OVERHEAD_SECONDS = 0.3

/** Assumed time of a test that ends after a number of bytes, when its rate is not known. */
const UNKNOWN_RATE_SECONDS = 10

/** Returns the expected length of one test in seconds, with its warm-up. The spec is effective: it has all defaults. */
export const testSeconds = ({ test }: RunSpec): number => {
  if (test?.$case !== 'ping') return iperfSeconds(test?.value.options)
  const { count = 0, interval, timeout } = test.value
  return Math.max(0, count - 1) * (fromDuration(interval) ?? 0) + Math.min(fromDuration(timeout) ?? 0, 1)
}

const iperfSeconds = (options: IperfOptions | undefined): number => {
  const omit = fromDuration(options?.omit) ?? 0
  const rate = (options?.bitsPerSecond ?? 0) * (options?.parallelCount ?? 1)
  if (options?.bytes !== undefined)
    return omit + (rate > 0 ? (options.bytes * 8) / rate : UNKNOWN_RATE_SECONDS)
  return omit + (fromDuration(options?.duration) ?? 0)
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
    return count * (test.value.count ?? 0) * 2 * ((test.value.sizeBytes ?? 0) + 28)
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
