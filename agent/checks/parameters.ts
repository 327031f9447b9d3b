/** Parameters as people write them: quantities carry their unit, and a wrong one says what is right. */

import { isIP } from 'node:net'
import { z } from 'zod'
import { parseBitrate, parseDuration } from '../../lib/units.ts'

/** Text of a quantity, read by `parse`; `example` is shown when it cannot be. */
const quantity = (parse: (text: string) => number | undefined, example: string) =>
  z.string(`must be text with a unit, such as "${example}"`).transform((text, context) => {
    const value = parse(text)
    if (value !== undefined) return value
    context.addIssue({ code: 'custom', message: `"${text.slice(0, 40)}" is wrong; write ${example}` })
    return z.NEVER
  })

/** Seconds. */
export const duration = () => quantity(parseDuration, '500ms')

/** Bits per second. */
export const bitrate = () => quantity(parseBitrate, '100G')

const RATIO = /^(\d+(?:\.\d+)?)\s*%$/

/** A share of 1, as text with a percent sign: a bare number could be either. */
export const ratio = () =>
  quantity((text) => {
    const percent = Number(RATIO.exec(text.trim())?.[1] ?? Number.NaN)
    return percent <= 100 ? percent / 100 : undefined
  }, '5%')

const BYTE_RATE = /^(\d+(?:\.\d+)?)\s*([kMGT]?)(i?)B\/s$/

/** Bytes per second of `4GB/s` or `3.7GiB/s`. The B is a capital: 4Gb/s would be half a gigabyte. */
export const parseByteRate = (text: string): number | undefined => {
  const [, amount, prefix = '', binary] = BYTE_RATE.exec(text.trim()) ?? []
  if (amount === undefined) return undefined
  return Number(amount) * (binary ? 1024 : 1000) ** ' kMGT'.indexOf(prefix || ' ')
}

const GIGA = 1e9

/** Bytes per second; a bare number is in GB/s, as the programs that measure it print it. */
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

/** Whole seconds within which the check has to be done; what it started is ended then. */
export const timeout = (maxSeconds: number) =>
  duration().refine((seconds) => seconds > 0 && seconds <= maxSeconds, `must be up to ${maxSeconds}s`)

export const address = () => z.string().refine((text) => isIP(text) !== 0, 'not an IP address')

/** The addresses that each interface is expected to have, by interface name. */
export const addressesByInterface = () =>
  z.record(
    z.string(),
    z.array(z.string().refine((text) => isIP(text.split('/')[0]!) !== 0, 'not an IP address')),
  )
