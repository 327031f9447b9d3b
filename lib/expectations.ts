/**
 * The expectations that a run can have: names, limits and units. Names and default units are those of netperf's profiles, so
 * that the numbers in existing profiles remain valid.
 */

import { closest } from './config.ts'
import { formatBitrate, formatRatio, parseBitrate, parseDuration, parseRatio } from './units.ts'

type Unit = 'bitrate' | 'time' | 'ratio' | 'rate'

type Kind = {
  unit: Unit
  /** Factor for a number without a unit. */
  bare: number
  /** Maximum limit. */
  highest?: number
  meaning: string
}

const MBIT = 1e6
const MICROSECOND = 1e-6
const PERCENT = 0.01

/** All expectations by name. The suffix _min or _max is the kind of limit. */
export const EXPECTATIONS = {
  throughput_min: { unit: 'bitrate', bare: MBIT, meaning: 'received bits per second' },
  tcp_throughput_min: { unit: 'bitrate', bare: MBIT, meaning: 'received bits per second over TCP' },
  udp_throughput_min: { unit: 'bitrate', bare: MBIT, meaning: 'received bits per second over UDP' },
  total_throughput_min: {
    unit: 'bitrate',
    bare: MBIT,
    meaning: 'received bits per second, sum of all pairs',
  },
  mean_latency_max: { unit: 'time', bare: MICROSECOND, meaning: 'mean round-trip or transaction time' },
  p50_latency_max: { unit: 'time', bare: MICROSECOND, meaning: 'median round-trip or transaction time' },
  p90_latency_max: {
    unit: 'time',
    bare: MICROSECOND,
    meaning: '90th percentile of the round-trip or transaction time',
  },
  p99_latency_max: {
    unit: 'time',
    bare: MICROSECOND,
    meaning: '99th percentile of the round-trip or transaction time',
  },
  max_latency_max: { unit: 'time', bare: MICROSECOND, meaning: 'longest round-trip or transaction time' },
  latency_stddev_max: {
    unit: 'time',
    bare: MICROSECOND,
    meaning: 'standard deviation of the round-trip or transaction time',
  },
  jitter_max: { unit: 'time', bare: MICROSECOND, meaning: 'packet delay variation' },
  packet_loss_max: { unit: 'ratio', bare: 1, highest: 1, meaning: 'ratio of lost to sent packets' },
  retransmission_rate_max: {
    unit: 'ratio',
    bare: 1,
    highest: 1,
    meaning: 'ratio of retransmitted to all segments',
  },
  error_rate_max: { unit: 'ratio', bare: 1, highest: 1, meaning: 'ratio of unmeasured to all pairs' },
  cpu_util_max: { unit: 'ratio', bare: PERCENT, meaning: 'CPU of one core at the busier endpoint' },
  cv_max: { unit: 'ratio', bare: PERCENT, meaning: 'standard deviation divided by the mean' },
  transaction_rate_min: { unit: 'rate', bare: 1, meaning: 'transactions per second' },
  connection_rate_min: { unit: 'rate', bare: 1, meaning: 'connections per second' },
} as const satisfies Record<string, Kind>

export type ExpectationName = keyof typeof EXPECTATIONS

export const EXPECTATION_NAMES = Object.keys(EXPECTATIONS) as ExpectationName[]

export const isExpectation = (name: string): name is ExpectationName => Object.hasOwn(EXPECTATIONS, name)

/** The error for an unknown expectation, with a suggestion. */
export const unknownExpectation = (name: string): string => {
  const meant = closest(name, EXPECTATION_NAMES)
  return meant
    ? `"${name}" is no expectation; did you mean ${meant}?`
    : `"${name}" is no expectation; there are ${EXPECTATION_NAMES.join(', ')}`
}

const UNITS: Record<Unit, { noun: string; example: string; parse(text: string): number | undefined }> = {
  bitrate: { noun: 'a bitrate', example: '9.4G or 500M', parse: parseBitrate },
  time: { noun: 'a time', example: '50us, 2ms or 1s', parse: parseDuration },
  ratio: { noun: 'a ratio', example: '0.1%', parse: parseRatio },
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

/** Rounds away the errors of binary fractions, so that 70 percent is 0.7. */
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
 * Parses a limit into base units (bit/s, seconds, ratio from 0 to 1, per second). A number without a unit has the unit of
 * netperf's profiles: Mbit/s, µs, ratio (for CPU and CV: percent), per second.
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
    return { problem: `${value} is over 100 %, the maximum: write ${example}` }
  return { limit }
}

const significant = (value: number): string => String(Number(value.toPrecision(3)))

/** Formats a value of an expectation with its unit. */
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
