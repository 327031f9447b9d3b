/** Parses the programs that report the state of the clock. */

import { plausible, plausibleIn } from '../../plausibility.ts'

export type ClockState = {
  /** The daemon that adjusts the clock, or `kernel` where only its flag is known. */
  keeper: string
  /** The server or reference of the clock; empty when unknown. */
  source: string
  stratum: number | undefined
  /** Offset from the source; undefined when the program does not report it. */
  offsetSeconds: number | undefined
  synchronised: boolean
}

/** Positions of the fields of `chronyc -c tracking`, which have no names there. */
const CHRONY = { name: 1, stratum: 2, systemTime: 4, leap: 13, count: 14 }

/** Parses `chronyc -c tracking`; undefined for other output. */
export const parseChrony = (text: string): ClockState | undefined => {
  const line = text.split('\n').find((candidate) => candidate.split(',').length >= CHRONY.count)
  const fields = line?.split(',') ?? []
  const offset = plausible('chrony.offset', fields[CHRONY.systemTime])
  if (line === undefined || offset === undefined) return undefined
  return {
    keeper: 'chrony',
    source: fields[CHRONY.name] ?? '',
    stratum: plausible('ntp.stratum', fields[CHRONY.stratum]),
    offsetSeconds: offset,
    synchronised: fields[CHRONY.leap]?.trim() !== 'Not synchronised',
  }
}

const UNIT_SECONDS: Record<string, number> = { us: 1e-6, µs: 1e-6, ms: 1e-3, s: 1, min: 60, h: 3600 }

/** Parses systemd's time spans: `+1.234ms`, `-35us`, `1min 2.5s`. */
export const parseSpan = (text: string): number | undefined => {
  const match = /^([+-]?)((?:\d+(?:\.\d+)?(?:us|µs|ms|min|s|h)\s*)+)$/.exec(text.trim())
  if (!match) return undefined
  let seconds = 0
  for (const [, amount, unit] of match[2]!.matchAll(/(\d+(?:\.\d+)?)(us|µs|ms|min|s|h)/g))
    seconds += plausibleIn('systemd.span', amount, UNIT_SECONDS[unit!]!) ?? Number.NaN
  if (Number.isNaN(seconds)) return undefined
  return match[1] === '-' ? -seconds : seconds
}

const fieldOf = (text: string, name: string): string | undefined =>
  new RegExp(`^\\s*${name}:\\s*(.*)$`, 'm').exec(text)?.[1]?.trim()

/** Parses `timedatectl timesync-status` (systemd-timesyncd). Without an answer of a server there is no offset. */
export const parseTimesync = (text: string): ClockState | undefined => {
  const server = fieldOf(text, 'Server')
  if (server === undefined) return undefined
  const offsetSeconds = parseSpan(fieldOf(text, 'Offset') ?? '')
  return {
    keeper: 'systemd-timesyncd',
    source: server,
    stratum: plausible('ntp.stratum', fieldOf(text, 'Stratum')),
    offsetSeconds,
    synchronised: offsetSeconds !== undefined && fieldOf(text, 'Leap') !== 'not synchronized',
  }
}

/** Parses `ntpq -c rv`: offset in milliseconds; a leap alarm or sync_unspec means that there is no source. */
export const parseNtpq = (text: string): ClockState | undefined => {
  const variable = (name: string) => new RegExp(`\\b${name}=([^,\\s]+)`).exec(text)?.[1]
  const milliseconds = plausible('ntp.offset', variable('offset'))
  if (milliseconds === undefined) return undefined
  return {
    keeper: 'ntpd',
    source: variable('refid') ?? '',
    stratum: plausible('ntp.stratum', variable('stratum')),
    offsetSeconds: milliseconds / 1000,
    synchronised: !/leap_alarm|sync_unspec|sync_alarm/.test(text),
  }
}

/** Parses `timedatectl show`: only the kernel's flag, which the daemon sets with adjtimex. */
export const parseTimedate = (text: string): ClockState | undefined => {
  const flag = /^NTPSynchronized=(yes|no)$/m.exec(text)?.[1]
  if (flag === undefined) return undefined
  return {
    keeper: 'kernel',
    source: '',
    stratum: undefined,
    offsetSeconds: undefined,
    synchronised: flag === 'yes',
  }
}
