import {
  CreateScheduleRequest,
  type Schedule,
  type ScheduleServiceImplementation,
  ScheduleSpec,
} from '#proto/meshgauge/collector/v1/schedule.ts'
import { throwIfInvalid } from '../../lib/errors.ts'
import { pageOf } from '../../lib/paging.ts'
import { effectiveScheduleSpec } from '../schedules/define/effective-schedule-spec.ts'
import { scheduleSpecMessage, scheduleSpecOf } from '../schedules/define/schedule-spec-message.ts'
import type { Schedules } from '../schedules/schedules.ts'
import { runMessage } from '../store/run-message.ts'
import { createIdempotency, sameMessage } from './request-ids.ts'

/** @throws OperatingError SPEC_INVALID when the spec is absent */
const requireSpec = (spec: ScheduleSpec | undefined): ScheduleSpec => {
  throwIfInvalid('the request', spec ? [] : [{ field: 'spec', description: 'is missing' }])
  return spec!
}

/** A schedule with the `paused` of the request that created it. */
type Created = { schedule: Schedule; createdPaused: boolean }

export const createScheduleService = (schedules: Schedules): ScheduleServiceImplementation => {
  const idempotent = createIdempotency((requestId) => schedules.ofRequest(requestId))
  return {
    async createSchedule(request) {
      const { paused, requestId } = request
      const spec = requireSpec(request.spec)
      const isFrom = ({ schedule, createdPaused }: Created): boolean =>
        createdPaused === paused &&
        schedule.spec !== undefined &&
        sameMessage(
          ScheduleSpec,
          scheduleSpecMessage(effectiveScheduleSpec(scheduleSpecOf(spec))),
          schedule.spec,
        )
      const { schedule } = await idempotent(requestId, {
        content: CreateScheduleRequest.encode({ ...request, requestId: '' }).finish(),
        isFrom,
        create: async () => ({
          schedule: await schedules.create(scheduleSpecOf(spec), paused, requestId),
          createdPaused: paused,
        }),
      })
      return { schedule }
    },
    getSchedule: async ({ schedule }) => ({ schedule: await schedules.get(schedule) }),
    async listSchedules(request) {
      const { items, nextPageToken } = pageOf('schedules', await schedules.list(), request)
      return { schedules: items, nextPageToken }
    },
    pauseSchedule: async ({ schedule }) => ({ schedule: await schedules.setPaused(schedule, true) }),
    resumeSchedule: async ({ schedule }) => ({ schedule: await schedules.setPaused(schedule, false) }),
    triggerSchedule: async ({ schedule }) => ({ run: runMessage(await schedules.trigger(schedule)) }),
    async deleteSchedule({ schedule }) {
      schedules.delete(schedule)
      return {}
    },
    getCoverage: (request) => schedules.coverage(request),
  }
}
