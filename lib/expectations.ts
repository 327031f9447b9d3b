/**
 * What a run may be expected to reach: names, bounds and units. The names and the meaning of bare numbers are those of
 * netperf's profiles, so that those who have such files can keep their figures.
 */

import { closest } from './config.ts'
import { formatBitrate, formatRatio, parseBitrate, parseDuration, parseRatio } from './units.ts'

type Unit = 'bitrate' | 'time' | 'ratio' | 'rate'

type Kind = {
  unit: Unit
  /** What a number without a unit is multiplied with. */
  bare: number
  /** The highest limit that makes sense. */
  highest?: number
  meaning: string
}

const MBIT = 1e6
const MICROSECOND = 1e-6
const PERCENT = 0.01

/** Every expectation by its name, which ends with its bound: _min or _max. */
export const EXPECTATIONS = {
  throughput_min: { unit: 'bitrate', bare: MBIT, meaning: 'received bits per second' },
  tcp_throughput_min: { unit: 'bitrate', bare: MBIT, meaning: 'the same, of TCP' },
  udp_throughput_min: { unit: 'bitrate', bare: MBIT, meaning: 'the same, of UDP' },
  total_throughput_min: { unit: 'bitrate', bare: MBIT, meaning: 'the sum over all pairs' },
  mean_latency_max: { unit: 'time', bare: MICROSECOND, meaning: 'mean round trip or transaction' },
  p50_latency_max: { unit: 'time', bare: MICROSECOND, meaning: 'its median' },
  p90_latency_max: { unit: 'time', bare: MICROSECOND, meaning: 'its 90th percentile' },
  p99_latency_max: { unit: 'time', bare: MICROSECOND, meaning: 'its 99th percentile' },
  max_latency_max: { unit: 'time', bare: MICROSECOND, meaning: 'the longest one' },
  latency_stddev_max: { unit: 'time', bare: MICROSECOND, meaning: 'its standard deviation' },
  jitter_max: { unit: 'time', bare: MICROSECOND, meaning: 'packet delay variation' },
  packet_loss_max: { unit: 'ratio', bare: 1, highest: 1, meaning: 'packets lost of packets sent' },
  retransmission_rate_max: { unit: 'ratio', bare: 1, highest: 1, meaning: 'segments sent again of all' },
  error_rate_max: { unit: 'ratio', bare: 1, highest: 1, meaning: 'pairs not measured of all pairs' },
  cpu_util_max: { unit: 'ratio', bare: PERCENT, meaning: 'of one core, at the busier end' },
  cv_max: { unit: 'ratio', bare: PERCENT, meaning: 'standard deviation over mean' },
  transaction_rate_min: { unit: 'rate', bare: 1, meaning: 'transactions per second' },
  connection_rate_min: { unit: 'rate', bare: 1, meaning: 'connections per second' },
} as const satisfies Record<string, Kind>

export type ExpectationName = keyof typeof EXPECTATIONS

export const EXPECTATION_NAMES = Object.keys(EXPECTATIONS) as ExpectationName[]

export const isExpectation = (name: string): name is ExpectationName => Object.hasOwn(EXPECTATIONS, name)

/** Why there is no such expectation, with the one that was meant. */
export const unknownExpectation = (name: string): string => {
  const meant = closest(name, EXPECTATION_NAMES)
  return meant
    ? `"${name}" is no expectation; did you mean ${meant}?`
    : `"${name}" is no expectation; there are ${EXPECTATION_NAMES.join(', ')}`
}

const UNITS: Record<Unit, { noun: string; example: string; parse(text: string): number | undefined }> = {
  bitrate: { noun: 'a bitrate', example: '9.4G or 500M', parse: parseBitrate },
  time: { noun: 'a time', example: '50us, 2ms or 1s', parse: parseDuration },
  ratio: { noun: 'a share', example: '0.1%', parse: parseRatio },
  rate: {
    noun: 'a rate',
    example: '10000/s or 10k/s',
    parse: (text) => {
      const match = /^(\d+(?:\.\d+)?)([kM]?)\/s$/.exec(text.trim())
      return match ? Number(match[1]) * ({ k: 1e3, M: 1e6 }[match[2]!] ?? 1) : undefined
    },
  },
}

const NUMBER = /^\d+(\.\d+)?$/

/** Without the dust of binary fractions: 70 percent is 0.7. */
const scaled = (value: number, factor: number): number => Number((value * factor).toPrecision(12))

const problemOf = (name: ExpectationName, text: string): string => {
  const { noun, example } = UNITS[EXPECTATIONS[name].unit]
  if (NUMBER.test(text)) return `"${text}" has no unit; ${name} is ${noun}: write ${example}`
  const other = Object.values(UNITS).find((unit) => unit.noun !== noun && unit.parse(text) !== undefined)
  return other
    ? `"${text}" is ${other.noun}, and ${name} is ${noun}: write ${example}`
    : `"${text}" is not ${noun}: write ${example}`
}

/**
 * The limit in base units (bit/s, seconds, a share of 1, per second) from text with a unit, or from a bare number in
 * the unit of netperf's profiles: Mbit/s, µs, a share of 1 (of CPU and CV: percent), per second.
 */
export const parseLimit = (
  name: ExpectationName,
  value: string | number,
): { limit: number } | { problem: string } => {
  const kind: Kind = EXPECTATIONS[name]
  const { example, parse } = UNITS[kind.unit]
  const limit =
    typeof value === 'number' ? scaled(value, kind.bare) : NUMBER.test(value) ? undefined : parse(value)
  if (limit === undefined) return { problem: problemOf(name, String(value)) }
  if (!Number.isFinite(limit) || limit < 0) return { problem: `${value} is not a limit: write ${example}` }
  if (limit > (kind.highest ?? Number.POSITIVE_INFINITY))
    return { problem: `${value} is over 100 %, which nothing can exceed: write ${example}` }
  return { limit }
}

const significant = (value: number): string => String(Number(value.toPrecision(3)))

/** A value of an expectation with its unit; a time is never rounded to nothing. */
export const formatExpected = (name: string, value: number): string => {
  const unit = isExpectation(name) ? EXPECTATIONS[name].unit : undefined
  if (unit === 'bitrate') return formatBitrate(value)
  if (unit === 'ratio') return formatRatio(value)
  if (unit === 'rate') return `${Math.round(value).toLocaleString('en-US')}/s`
  if (unit !== 'time') return String(value)
  if (value < 1e-3) return `${significant(value * 1e6)} µs`
  return value < 1 ? `${significant(value * 1e3)} ms` : `${significant(value)} s`
}

export const isMinimum = (name: string): boolean => name.endsWith('_min')
