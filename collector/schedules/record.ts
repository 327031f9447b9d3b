import { z } from 'zod'
import { ScheduleOrigin, ScheduleSpec } from '#proto/meshgauge/collector/v1/schedule.ts'
import { effectiveScheduleSpec } from './effective-schedule-spec.ts'

/** The kind of document that schedules are in the store. */
export const DOCUMENT_KIND = 'schedule'

const count = z.int().min(0).default(0)

const schema = z.object({
  spec: z.json(),
  origin: z.int(),
  paused: z.boolean().default(false),
  /** The request_id and `paused` of CreateSchedule. */
  requestId: z.string().default(''),
  createdPaused: z.boolean().default(false),
  since: z.number(),
  /** The planned time that was last decided about. */
  considered: z.number(),
  /** The end of the blackout that holds a start back. */
  held: z.number().optional(),
  lastStart: z.number().optional(),
  lastSuccess: z.number().optional(),
  lastLatenessSeconds: z.number().default(0),
  reason: z.string().default(''),
  runIds: z.array(z.string()).default([]),
  startCount: count,
  lateCount: count,
  missedCount: count,
  overlapCount: count,
  overBudgetCount: count,
  failedCount: count,
  spent: z.array(z.object({ at: z.number(), bytes: z.number(), busySeconds: z.number() })).default([]),
})

/** What of a schedule survives the collector. Moments are Unix milliseconds. */
export type ScheduleRecord = Omit<z.output<typeof schema>, 'spec' | 'origin' | 'held'> & {
  spec: ScheduleSpec
  origin: ScheduleOrigin
  held?: number | undefined
}

/** A schedule that begins now; its first start is after `from`. */
export const newRecord = (spec: ScheduleSpec, origin: ScheduleOrigin, since: number): ScheduleRecord => ({
  ...schema.parse({ spec: null, origin, since, considered: since }),
  spec: effectiveScheduleSpec(spec),
  origin,
})

export const encodeRecord = (record: ScheduleRecord): Uint8Array =>
  new TextEncoder().encode(JSON.stringify({ ...record, spec: ScheduleSpec.toJSON(record.spec) }))

const KNOWN_ORIGINS: readonly number[] = [
  ScheduleOrigin.SCHEDULE_ORIGIN_DEFAULT,
  ScheduleOrigin.SCHEDULE_ORIGIN_CONFIG,
  ScheduleOrigin.SCHEDULE_ORIGIN_API,
]

/** Undefined for what no meshgauge has written. */
export const decodeRecord = (body: Uint8Array): ScheduleRecord | undefined => {
  let raw: unknown
  try {
    raw = JSON.parse(new TextDecoder().decode(body))
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
  const parsed = schema.safeParse(raw)
  if (!parsed.success || !KNOWN_ORIGINS.includes(parsed.data.origin)) return undefined
  return {
    ...parsed.data,
    spec: effectiveScheduleSpec(ScheduleSpec.fromJSON(parsed.data.spec)),
    origin: parsed.data.origin as ScheduleOrigin,
  }
}

/** Whether two specs say the same. */
export const sameSpec = (one: ScheduleSpec, other: ScheduleSpec): boolean =>
  Buffer.from(ScheduleSpec.encode(one).finish()).equals(Buffer.from(ScheduleSpec.encode(other).finish()))
