/** Schemas of parameters: quantities have a unit, and an error shows a correct example. */

import { isIP } from 'node:net'
import { z } from 'zod'
import { parseBitrate, parseDuration } from '../../lib/units.ts'

/** A quantity as text, parsed by `parse`; an error shows `example`. */
const quantity = (parse: (text: string) => number | undefined, example: string) =>
  z.string(`must be text with a unit, such as "${example}"`).transform((text, context) => {
    const value = parse(text)
    if (value !== undefined) return value
    context.addIssue({ code: 'custom', message: `"${text.slice(0, 40)}" is not valid; write ${example}` })
    return z.NEVER
  })

/** Seconds. */
export const duration = () => quantity(parseDuration, '500ms')

/** Bits per second. */
export const bitrate = () => quantity(parseBitrate, '100G')

const RATIO = /^(\d+(?:\.\d+)?)\s*%$/

/** A share of 1, as text with a percent sign: a plain number would be ambiguous. */
export const ratio = () =>
  quantity((text) => {
    const percent = Number(RATIO.exec(text.trim())?.[1] ?? Number.NaN)
    return percent <= 100 ? percent / 100 : undefined
  }, '5%')

const BYTE_RATE = /^(\d+(?:\.\d+)?)\s*([kMGT]?)(i?)B\/s$/

/** Parses `4GB/s` or `3.7GiB/s` to bytes per second. The B is a capital letter: 4Gb/s would be 0.5 GB/s. */
export const parseByteRate = (text: string): number | undefined => {
  const [, amount, prefix = '', binary] = BYTE_RATE.exec(text.trim()) ?? []
  if (amount === undefined) return undefined
  return Number(amount) * (binary ? 1024 : 1000) ** ' kMGT'.indexOf(prefix || ' ')
}

const GIGA = 1e9

/** Bytes per second; a plain number is in GB/s, the unit of the programs that measure it. */
export const byteRate = () =>
  z.union(
    [
      z
        .number()
        .nonnegative()
        .transform((gigabytes) => gigabytes * GIGA),
      quantity(parseByteRate, '4GB/s'),
    ],
    { error: 'is not a byte rate; write "4GB/s", or a number of GB/s' },
  )

/** Longest time of the check in whole seconds, after which its programs are ended. */
export const timeout = (maxSeconds: number) =>
  duration().refine((seconds) => seconds > 0 && seconds <= maxSeconds, `must be up to ${maxSeconds}s`)

export const address = () => z.string().refine((text) => isIP(text) !== 0, 'not an IP address')

/** The addresses that each interface is expected to have, by interface name. */
export const addressesByInterface = () =>
  z.record(
    z.string(),
    z.array(z.string().refine((text) => isIP(text.split('/')[0]!) !== 0, 'not an IP address')),
  )
