import type { IperfTest, RunTest } from './run-spec.ts'

/** Time of a pair in addition to its test: the start of the server, two calls, and the program's handshake. */
export const PAIR_OVERHEAD_SECONDS = 0.3

/** Assumed time of a test that ends after a number of bytes, when its rate is not known. */
const UNKNOWN_RATE_SECONDS = 10

/** Returns the expected length of one test in seconds, with its warm-up. */
export const testSeconds = (test: RunTest): number => {
  if (test.kind === 'iperf') return iperfSeconds(test)
  const { count, intervalSeconds, timeoutSeconds } = test
  return Math.max(0, count - 1) * intervalSeconds + Math.min(timeoutSeconds, 1)
}

/** Returns the requested rate of all streams in bits per second; 0 when it is not limited. */
const requestedRate = ({ bitsPerSecond = 0, parallelCount }: IperfTest): number =>
  bitsPerSecond * parallelCount

const iperfSeconds = (test: IperfTest): number => {
  const { bytes, omitSeconds = 0, durationSeconds = 0 } = test
  if (bytes === undefined) return omitSeconds + durationSeconds
  const rate = requestedRate(test)
  return omitSeconds + (rate > 0 ? (bytes * 8) / rate : UNKNOWN_RATE_SECONDS)
}

/** Returns the bytes of all tests; undefined when neither the request nor the interfaces tell the rate. */
export const bytesOf = (
  test: RunTest,
  sources: Int32Array,
  speedOf: (endpoint: number) => number | undefined,
): number | undefined => {
  if (test.kind === 'ping') {
    // 20 bytes of IPv4 header and 8 of ICMP header, in both directions.
    return sources.length * test.count * 2 * ((test.sizeBytes ?? 0) + 28)
  }
  if (test.bytes !== undefined) return sources.length * test.bytes
  const requested = requestedRate(test)
  let bits = 0
  for (const source of sources) {
    const rate = requested > 0 ? requested : speedOf(source)
    if (rate === undefined) return undefined
    bits += rate * iperfSeconds(test)
  }
  return Math.round(bits / 8)
}
