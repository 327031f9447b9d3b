/**
 * The limits of every number that the agent reads from a program or from the kernel. A number outside of its limits is
 * physically impossible: it is absent, or it makes its result invalid. It is never shown and never used as a divisor.
 * Each field has the unit in which it is printed. A test allows no other file to convert text to numbers.
 */

type Field = {
  unit: string
  min: number
  max: number
  /** Values within the limits that mean "unknown". */
  never?: readonly number[]
}

/** The largest difference of two counters of type int. Larger values are negative ones that were printed as unsigned. */
const MAX_INT = 2 ** 31 - 1
const MAX_COUNT = Number.MAX_SAFE_INTEGER
/** All bits set: what a device that is gone returns, and -1 as an unsigned number. */
const ALL_BITS = [2 ** 32 - 1]
/** The longest test with its warm-up and its ends. */
const MAX_TEST_SECONDS = 100_000
/** The longest timeout of a probe. */
const MAX_RTT_MS = 60_000
/** 10 Tbit/s: no interface is faster. */
const MAX_BITS = 1e13

const counter = (unit: string): Field => ({ unit, min: 0, max: MAX_COUNT, never: ALL_BITS })

const FIELDS = {
  // iperf3, as text and as JSON
  'iperf3.time': { unit: 's', min: 0, max: MAX_TEST_SECONDS },
  'iperf3.bytes': { unit: 'bytes', min: 0, max: MAX_COUNT },
  'iperf3.transfer': { unit: 'bytes, KiB, MiB, GiB or TiB', min: 0, max: MAX_COUNT },
  'iperf3.rate': { unit: 'bit/s', min: 0, max: MAX_BITS },
  'iperf3.rate_kilobits': { unit: 'kbit/s', min: 0, max: MAX_BITS / 1000 },
  'iperf3.retransmits': { unit: 'segments', min: 0, max: MAX_INT },
  'iperf3.jitter': { unit: 'ms', min: 0, max: MAX_RTT_MS },
  'iperf3.lost_packets': { unit: 'datagrams', min: 0, max: MAX_COUNT },
  'iperf3.packets': { unit: 'datagrams', min: 1, max: MAX_COUNT },
  'iperf3.loss_ratio': { unit: 'ratio', min: 0, max: 1 },
  'iperf3.cpu': { unit: '% of one core', min: 0, max: 102_400 },
  // netperf, by output selector
  'netperf.interim_rate': { unit: '10^6 bit/s or transactions/s', min: 0, max: 1e9 },
  'netperf.interim_seconds': { unit: 's', min: 0.001, max: MAX_TEST_SECONDS },
  'netperf.THROUGHPUT': { unit: '10^6 bit/s or transactions/s', min: 0, max: 1e9 },
  'netperf.ELAPSED_TIME': { unit: 's', min: 0.001, max: MAX_TEST_SECONDS },
  'netperf.CPU_UTIL': { unit: '% of all cores', min: 0, max: 100 },
  'netperf.CPU_COUNT': { unit: 'cores', min: 1, max: 65_536 },
  'netperf.TRANSPORT_RETRANS': { unit: 'segments', min: 0, max: MAX_INT },
  'netperf.BYTES': { unit: 'bytes', min: 0, max: MAX_COUNT },
  'netperf.STREAM_THROUGHPUT': { unit: '10^6 bit/s', min: 0, max: MAX_BITS / 1e6 },
  'netperf.TRANSACTION_RATE': { unit: 'transactions/s', min: 0, max: 1e9 },
  'netperf.LATENCY': { unit: 'µs', min: 0, max: MAX_TEST_SECONDS * 1e6 },
  'netperf.loss_ratio': { unit: 'ratio', min: 0, max: 1 },
  // fping and ping
  'fping.sequence': { unit: 'probes', min: 0, max: MAX_INT },
  'fping.sent': { unit: 'probes', min: 0, max: MAX_INT },
  'fping.rtt': { unit: 'ms', min: 0, max: MAX_RTT_MS },
  'ping.sequence': { unit: 'probes', min: 0, max: 65_535 },
  'ping.sent': { unit: 'probes', min: 0, max: MAX_INT },
  'ping.rtt': { unit: 'ms', min: 0, max: MAX_RTT_MS },
  // /proc and /sys
  'kernel.socket_buffer': { unit: 'bytes', min: 4096, max: MAX_INT },
  'kernel.ticks': { unit: '10 ms of a core', min: 0, max: MAX_COUNT },
  'kernel.counter': counter('events or bytes'),
  'kernel.nanoseconds': counter('ns'),
  'kernel.memory': { unit: 'KiB', min: 0, max: 2 ** 43 },
  'kernel.speed': { unit: 'Mbit/s', min: 1, max: MAX_BITS / 1e6 },
  'kernel.mtu': { unit: 'bytes', min: 68, max: 65_536 },
  'kernel.uptime': { unit: 's', min: 0, max: 1e10 },
  'kernel.cpu': { unit: 'number of a CPU', min: 0, max: 65_535 },
  'kernel.load': { unit: 'tasks', min: 0, max: 1e6 },
  'kernel.pressure': { unit: '% of the time', min: 0, max: 100 },
  'kernel.xid': { unit: 'number of an NVIDIA Xid', min: 1, max: 100_000 },
  'kernel.log_time': { unit: 's', min: 0, max: 1e11 },
  // Programs of checks
  'chrony.offset': { unit: 's', min: -1e10, max: 1e10 },
  'systemd.span': { unit: 'µs, ms, s, min or h', min: 0, max: 1e16 },
  'ntp.stratum': { unit: 'hops to a reference clock', min: 0, max: 16 },
  'ntp.offset': { unit: 'ms', min: -1e13, max: 1e13 },
  'smartctl.temperature': { unit: '°C', min: -60, max: 200 },
  // The standard allows more than 100: a drive may outlive its rated life.
  'smartctl.wear': { unit: '% of the rated life', min: 0, max: 255 },
  'smartctl.media_errors': counter('errors'),
  'dcgm.gpu': { unit: 'number of a GPU', min: 0, max: 1023 },
  'gpucheck.gpu': { unit: 'number of a GPU', min: 0, max: 1023 },
  'gpucheck.rate': { unit: 'GB/s', min: 0, max: 100_000 },
  'gpucheck.dgemm': { unit: 'TFlop/s', min: 0, max: 100_000 },
  'gpucheck.temperature': { unit: '°C', min: -40, max: 200 },
  'gpucheck.power': { unit: 'W', min: 0, max: 10_000 },
  'gpucheck.clock': { unit: 'MHz', min: 0, max: 20_000 },
  'bandwidthtest.rate': { unit: 'GB/s or MB/s', min: 0, max: 1e8 },
  'bandwidthtest.size': { unit: 'bytes', min: 0, max: MAX_COUNT },
  'nvbandwidth.rate': { unit: 'GB/s', min: 1e-6, max: 100_000 },
  'nvidia.utilization': { unit: '%', min: 0, max: 100 },
  'nvidia.memory': { unit: 'MiB', min: 0, max: 2 ** 32 - 2 },
  'nvidia.remapped_rows': { unit: 'rows', min: 0, max: MAX_INT },
} as const satisfies Record<string, Field>

export type FieldName = keyof typeof FIELDS

/** The notations of programs. Not those of JavaScript: an empty text is not 0, and `0x10` is not a figure. */
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i

const toNumber = (value: unknown): number => {
  if (typeof value === 'number') return value
  return typeof value === 'string' && NUMBER.test(value.trim()) ? Number(value) : Number.NaN
}

/** Returns a number, or a text that is one, when it is within the limits of its field; undefined otherwise. */
export const plausible = (name: FieldName, value: unknown): number | undefined => {
  const { min, max, never }: Field = FIELDS[name]
  const number = toNumber(value)
  return number >= min && number <= max && !never?.includes(number) ? number : undefined
}

/** As `plausible`, converted to another unit; undefined stays undefined. */
export const plausibleIn = (name: FieldName, value: unknown, perUnit: number): number | undefined => {
  const number = plausible(name, value)
  if (number === undefined) return undefined
  // A division by a whole number is exact where a multiplication by a fraction is not.
  return perUnit < 1 ? number / Math.round(1 / perUnit) : number * perUnit
}

export const FIELD_NAMES = Object.keys(FIELDS) as FieldName[]

/** The unit and the limits of a field. */
export const fieldOf = (name: FieldName): Field => FIELDS[name]
