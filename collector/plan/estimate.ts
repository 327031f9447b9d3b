import type { IperfOptions } from '#proto/meshgauge/agent/v1/iperf.ts'
import type { RunSpec } from '#proto/meshgauge/collector/v1/run.ts'
import { fromDuration } from '../../lib/protobuf-time.ts'

/** What a pair costs beside its test: the server's start, two calls, the program's own handshake. */
export const PAIR_OVERHEAD_SECONDS = 0.3

const DEFAULT_PING_COUNT = 10
const DEFAULT_IPERF_SECONDS = 10

/** Expected length of one test, in seconds, with its warm-up. */
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

/** Bytes of all tests, where the rate is known from the request or from the interfaces' speed. */
export const bytesOf = (
  prepared: { spec: RunSpec; sources: Int32Array },
  speedOf: (endpoint: number) => number | undefined,
): number | undefined => {
  const { test } = prepared.spec
  const count = prepared.sources.length
  if (test?.$case === 'ping') {
    // IPv4 header 20, ICMP header 8, both ways.
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
