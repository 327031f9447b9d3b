/** Converts specs of schedules from and to their messages: those of the API and of stored records. */

import type { ProfileSource as ProfileSourceMessage } from '#proto/meshgauge/collector/v1/profile.ts'
import type { ScheduleSpec as ScheduleSpecMessage } from '#proto/meshgauge/collector/v1/schedule.ts'
import { fromDuration, toDuration } from '../../../lib/protobuf-time.ts'
import { meshSpecMessage, meshSpecOf } from '../../mesh/assign/mesh-spec-message.ts'
import { requestedRunSpecOf, runSpecMessage } from '../../plan/run-spec-message.ts'
import type { ProfileSource, ScheduleSpec, When, Work } from './schedule-spec.ts'

const profileSourceOf = ({ source, file }: ProfileSourceMessage): ProfileSource =>
  source?.$case === 'yaml'
    ? { kind: 'yaml', yaml: source.value, file }
    : { kind: 'name', name: source?.value ?? '', file }

const profileSourceMessage = (source: ProfileSource): ProfileSourceMessage => ({
  source:
    source.kind === 'yaml' ? { $case: 'yaml', value: source.yaml } : { $case: 'name', value: source.name },
  file: source.file,
})

const whenOf = (when: ScheduleSpecMessage['when']): When | undefined => {
  if (when?.$case === 'cron') return { kind: 'cron', cron: when.value }
  return when && { kind: 'every', seconds: fromDuration(when.value) }
}

const whenMessage = (when: When | undefined): ScheduleSpecMessage['when'] => {
  if (when?.kind === 'cron') return { $case: 'cron', value: when.cron }
  return when && { $case: 'every', value: toDuration(when.seconds) }
}

const workOf = (work: ScheduleSpecMessage['work']): Work | undefined => {
  if (work?.$case === 'run') return { kind: 'run', run: requestedRunSpecOf(work.value) }
  if (work?.$case === 'profile') return { kind: 'profile', source: profileSourceOf(work.value) }
  return work && { kind: 'mesh', mesh: meshSpecOf(work.value) }
}

const workMessage = (work: Work | undefined): ScheduleSpecMessage['work'] => {
  if (work?.kind === 'run') return { $case: 'run', value: runSpecMessage(work.run) }
  if (work?.kind === 'profile') return { $case: 'profile', value: profileSourceMessage(work.source) }
  return work && { $case: 'mesh', value: meshSpecMessage(work.mesh) }
}

export const scheduleSpecOf = (message: ScheduleSpecMessage): ScheduleSpec => ({
  ...message,
  when: whenOf(message.when),
  work: workOf(message.work),
})

export const scheduleSpecMessage = (spec: ScheduleSpec): ScheduleSpecMessage => ({
  ...spec,
  when: whenMessage(spec.when),
  work: workMessage(spec.work),
})
