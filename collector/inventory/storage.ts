import { z } from 'zod'
import type { ReviewProblem } from '../../lib/config.ts'
import { durationHint, parseBytes, parseDuration } from '../../lib/units.ts'

/** Windows of a disconnected agent arrive up to an hour late, and roll-ups are then computed again from raw windows. */
const MIN_KEPT_SECONDS = 2 * 3600

/** With less, one hour of a small mesh does not fit. */
const MIN_SIZE_BYTES = 64 * 2 ** 20

const textOf = (value: unknown): string => (typeof value === 'string' ? `"${value}"` : JSON.stringify(value))

const kept = z
  .unknown()
  .transform((value, context): number => {
    const seconds = typeof value === 'string' ? parseDuration(value) : undefined
    const message =
      seconds === undefined
        ? `${textOf(value)} is not a duration; ${durationHint(String(value)).replace(/^write 500ms.*/, 'write 12h or 30d')}`
        : seconds < MIN_KEPT_SECONDS
          ? `must be at least ${MIN_KEPT_SECONDS / 3600}h`
          : undefined
    if (message !== undefined) context.addIssue({ code: 'custom', message })
    return seconds ?? 0
  })
  .optional()

const size = z
  .unknown()
  .transform((value, context): number => {
    const bytes = typeof value === 'string' && /[a-z]/i.test(value) ? parseBytes(value) : undefined
    const message =
      bytes === undefined
        ? `${textOf(value)} is not a size; write 512M or 4G`
        : bytes < MIN_SIZE_BYTES
          ? `must be at least ${MIN_SIZE_BYTES / 2 ** 20}M`
          : undefined
    if (message !== undefined) context.addIssue({ code: 'custom', message })
    return bytes ?? 0
  })
  .optional()

/** The retention of each kind of content in seconds, and the maximum size of the store in bytes. */
export const storage = z.strictObject({
  raw: kept,
  five_minutes: kept,
  one_hour: kept,
  events: kept,
  runs: kept,
  max_size: size,
})

export type StorageConfig = z.output<typeof storage>

/** Finds levels with a longer retention than the coarser level made from them. The raw content may have any type. */
export const reviewStorage = (raw: unknown): ReviewProblem[] => {
  const given = (raw as { storage?: unknown }).storage as Record<string, unknown> | null | undefined
  const secondsOf = (key: string) => {
    const value = given?.[key]
    return typeof value === 'string' ? parseDuration(value) : undefined
  }
  const levels = ['raw', 'five_minutes', 'one_hour'] as const
  return levels.flatMap((finer, index): ReviewProblem[] => {
    const short = secondsOf(finer)
    const coarser = levels
      .slice(index + 1)
      .find((key) => (secondsOf(key) ?? Number.POSITIVE_INFINITY) < (short ?? 0))
    if (coarser === undefined) return []
    const message = `must not be kept longer than ${coarser}, which is made of it`
    return [{ path: ['storage', finer], message, also: ['storage', coarser] }]
  })
}
