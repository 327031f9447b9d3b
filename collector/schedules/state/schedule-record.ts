import { z } from 'zod'
import {
  ScheduleOrigin,
  ScheduleSpec as ScheduleSpecMessage,
} from '#proto/meshgauge/collector/v1/schedule.ts'
import { effectiveScheduleSpec } from '../define/effective-schedule-spec.ts'
import type { ScheduleSpec } from '../define/schedule-spec.ts'
import { scheduleSpecMessage, scheduleSpecOf } from '../define/schedule-spec-message.ts'

/** The kind of the documents in the store that contain schedules. */
export const DOCUMENT_KIND = 'schedule'

const count = z.int().min(0).default(0)

const schema = z.object({
  spec: z.json(),
  origin: z.int(),
  paused: z.boolean().default(false),
  /** The request_id and `paused` of the CreateSchedule request. */
  requestId: z.string().default(''),
  createdPaused: z.boolean().default(false),
  /** When the schedule was created, or its spec last changed. */
  since: z.number(),
  /** The last planned time that was decided about: earlier ones have started or count as missed. */
  considered: z.number(),
  /** While a blackout delays a start: when that blackout ends. */
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
  /** The costs of the budget's period. See budget.ts. */
  spent: z.array(z.object({ at: z.number(), bytes: z.number(), busySeconds: z.number() })).default([]),
})

/** The state of a schedule that survives a restart of the collector. Moments are Unix milliseconds. */
export type ScheduleRecord = Omit<z.output<typeof schema>, 'spec' | 'origin' | 'held'> & {
  spec: ScheduleSpec
  origin: ScheduleOrigin
  held?: number | undefined
}

/** The record of a new schedule. Its first start is after `since`. */
export const newRecord = (spec: ScheduleSpec, origin: ScheduleOrigin, since: number): ScheduleRecord => ({
  ...schema.parse({ spec: null, origin, since, considered: since }),
  spec: effectiveScheduleSpec(spec),
  origin,
})

export const encodeRecord = (record: ScheduleRecord): Uint8Array =>
  new TextEncoder().encode(
    JSON.stringify({ ...record, spec: ScheduleSpecMessage.toJSON(scheduleSpecMessage(record.spec)) }),
  )

const KNOWN_ORIGINS: readonly number[] = [
  ScheduleOrigin.SCHEDULE_ORIGIN_DEFAULT,
  ScheduleOrigin.SCHEDULE_ORIGIN_CONFIG,
  ScheduleOrigin.SCHEDULE_ORIGIN_API,
]

/** Undefined for a document that is not a schedule record. */
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
    spec: effectiveScheduleSpec(scheduleSpecOf(ScheduleSpecMessage.fromJSON(parsed.data.spec))),
    origin: parsed.data.origin as ScheduleOrigin,
  }
}

const encodeSpec = (spec: ScheduleSpec): Uint8Array =>
  ScheduleSpecMessage.encode(scheduleSpecMessage(spec)).finish()

/** Whether two specs are equal. */
export const sameSpec = (one: ScheduleSpec, other: ScheduleSpec): boolean =>
  Buffer.from(encodeSpec(one)).equals(encodeSpec(other))
