import type { ScheduleServiceImplementation, ScheduleSpec } from '#proto/meshgauge/collector/v1/schedule.ts'
import { throwIfInvalid } from '../../lib/errors.ts'
import type { Schedules } from '../schedules/schedules.ts'

const needed = (spec: ScheduleSpec | undefined): ScheduleSpec => {
  throwIfInvalid('the request', spec ? [] : [{ field: 'spec', description: 'the schedule is needed' }])
  return spec!
}

export const createScheduleService = (schedules: Schedules): ScheduleServiceImplementation => ({
  createSchedule: async ({ spec, paused }) => ({ schedule: await schedules.create(needed(spec), paused) }),
  getSchedule: async ({ name }) => ({ schedule: await schedules.get(name) }),
  listSchedules: async () => ({ schedules: await schedules.list() }),
  pauseSchedule: async ({ name }) => ({ schedule: await schedules.setPaused(name, true) }),
  resumeSchedule: async ({ name }) => ({ schedule: await schedules.setPaused(name, false) }),
  triggerSchedule: async ({ name }) => ({ run: await schedules.trigger(name) }),
  async deleteSchedule({ name }) {
    schedules.delete(name)
    return {}
  },
  getCoverage: (request) => schedules.coverage(request),
})
