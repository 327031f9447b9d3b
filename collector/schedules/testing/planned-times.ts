import fc from 'fast-check'
import { ScheduleSpec } from '#proto/meshgauge/collector/v1/schedule.ts'
import { toDuration } from '../../../lib/protobuf-time.ts'
import { type PlannedTimes, plannedTimesOf } from '../define/planned-times.ts'
import { scheduleSpecOf } from '../define/schedule-spec-message.ts'

export const HOUR_MS = 3_600_000
export const DAY_MS = 24 * HOUR_MS

const ANCHOR = Date.parse('2026-01-01T00:00:00Z')

export const cronTimes = (cron: string, timeZone = 'UTC', jitterSeconds = 0): PlannedTimes =>
  plannedTimesOf(
    scheduleSpecOf(
      ScheduleSpec.fromPartial({
        name: 'x',
        when: { $case: 'cron', value: cron },
        timeZone,
        jitter: toDuration(jitterSeconds),
      }),
    ),
    ANCHOR,
  )!

export const everyTimes = (seconds: number, jitterSeconds = 0): PlannedTimes =>
  plannedTimesOf(
    scheduleSpecOf(
      ScheduleSpec.fromPartial({
        name: 'x',
        when: { $case: 'every', value: toDuration(seconds) },
        jitter: toDuration(jitterSeconds),
      }),
    ),
    ANCHOR,
  )!

export const PATTERNS = [
  '0 2 * * *',
  '30 2 * * *',
  '*/30 * * * *',
  '0 */6 * * *',
  '15 1,2,3 * * *',
  '0 3 * * 1-5',
  '@weekly',
]
export const ZONES = ['UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kolkata']

/** Any moment of two years, in Unix milliseconds. */
export const anyMoment = fc.integer({ min: ANCHOR, max: Date.parse('2028-01-01T00:00:00Z') })

export const anyTimes = fc.oneof(
  fc
    .tuple(fc.constantFrom(...PATTERNS), fc.constantFrom(...ZONES), fc.integer({ min: 0, max: 90_000 }))
    .map(([cron, zone, jitter]) => cronTimes(cron, zone, jitter)),
  fc
    .tuple(fc.integer({ min: 1, max: 200_000 }), fc.integer({ min: 0, max: 300_000 }))
    .map(([seconds, jitter]) => everyTimes(seconds, jitter)),
)
