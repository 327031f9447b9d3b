/**
 * Parses and formats quantities with units. Durations follow Prometheus (`10s`, `1h30m`) and go down to `50us` and `900ns`,
 * bitrates follow iperf3 and tc (`10G`, `50mbit`; powers of 1000), sizes follow iperf3 (`64K`; powers of 1024), and
 * ratios are percentages (`0.1%`). Hand-written: no library follows these three notations.
 */

const DURATION_SECONDS: Record<string, number> = {
  ns: 1e-9,
  us: 1e-6,
  µs: 1e-6,
  ms: 0.001,
  s: 1,
  m: 60,
  h: 3600,
  d: 86400,
}
const DURATION = /^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h|d))+$/

/** Seconds of a duration such as `1h30m`, or undefined when it is not one. A bare number has no unit and is refused. */
export const parseDuration = (text: string): number | undefined => {
  if (!DURATION.test(text)) return undefined
  let seconds = 0
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)/g)) {
    seconds += Number(amount) * DURATION_SECONDS[unit!]!
  }
  return seconds
}

const UNIT_OF_WORD: readonly [RegExp, string][] = [
  [/^(m|min|mins|minutes?)$/, 'm'],
  [/^(h|hours?)$/, 'h'],
  [/^(d|days?)$/, 'd'],
  [/^(ms|milliseconds?)$/, 'ms'],
]

/** A hint for an invalid duration: `5 mins` gives "write 5m", `10` gives "write 10s". */
export const durationHint = (text: string): string => {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text)
  if (!match || Number(match[1]) === 0) return 'write 500ms, 10s, 5m or 1h30m'
  const unit = UNIT_OF_WORD.find(([words]) => words.test(match[2]!.toLowerCase()))?.[1] ?? 's'
  return `write ${match[1]}${unit}`
}

/** The ratio (0 to 1) of a percentage such as `0.1%`, or undefined when it is not one. A bare number is refused. */
export const parseRatio = (text: string): number | undefined => {
  const match = /^(\d+(?:\.\d+)?)\s*%$/.exec(text.trim())
  return match ? Number(match[1]) / 100 : undefined
}

/** Bits per second of a bitrate such as `10G`, `50mbit` or `9.4 Gbit/s`, or undefined when it is not one. */
export const parseBitrate = (text: string): number | undefined => {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:bit|bits|bps|bit\/s)?$/i.exec(text.trim())
  if (!match) return undefined
  return Math.round(Number(match[1]) * 1000 ** ' kmgt'.indexOf(match[2]!.toLowerCase() || ' '))
}

/** Bytes of a size such as `64K` or `1GiB`, or undefined when it is not one. */
export const parseBytes = (text: string): number | undefined => {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim())
  if (!match) return undefined
  return Math.round(Number(match[1]) * 1024 ** ' kmgt'.indexOf(match[2]!.toLowerCase() || ' '))
}

const significant = (value: number, digits: number): string => {
  const decimals = value === 0 ? 0 : Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(value))))
  return value.toFixed(Math.min(decimals, digits))
}

const scaled = (value: number, base: number, units: readonly string[]): string => {
  let index = 0
  let rest = value
  while (Math.abs(rest) >= base && index < units.length - 1) {
    rest /= base
    index++
  }
  return `${significant(rest, 3)} ${units[index]}`
}

/** A whole number with thousands separators, such as 4,032. */
export const formatCount = (count: number): string => count.toLocaleString('en-US')

/** A count with its noun, such as `1 pair` or `4,032 pairs`. */
export const counted = (count: number, noun: string): string =>
  `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`

/** Formats a bitrate as `9.41 Gbit/s`. */
export const formatBitrate = (bitsPerSecond: number): string =>
  scaled(bitsPerSecond, 1000, ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s', 'Tbit/s', 'Pbit/s'])

/** Formats bytes as `58.0 TB`, in powers of 1000. */
export const formatBytes = (bytes: number): string =>
  scaled(bytes, 1000, ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'])

/** Formats a duration as `23 min`, `4.3 s`, `0.09 ms` or `12 µs`. */
export const formatDuration = (seconds: number): string => {
  if (seconds === 0) return '0 s'
  if (seconds < 1e-5) return `${significant(seconds * 1e6, 2)} µs`
  if (seconds < 1) return `${significant(seconds * 1e3, 2)} ms`
  if (seconds < 120) return `${significant(seconds, 2)} s`
  if (seconds < 7200) return `${(seconds / 60).toFixed(0)} min`
  if (seconds < 172800) return `${(seconds / 3600).toFixed(1)} h`
  return `${(seconds / 86400).toFixed(1)} d`
}

/** Formats a ratio as `0.25 %`. */
export const formatRatio = (ratio: number): string =>
  ratio === 0 || ratio === 1 ? `${ratio * 100} %` : `${significant(ratio * 100, 2)} %`
