/** Specs of schedules for tests. */

import { RunSpec, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { ScheduleSpec as ScheduleSpecMessage } from '#proto/meshgauge/collector/v1/schedule.ts'
import { toDuration } from '../../../lib/protobuf-time.ts'
import type { ScheduleSpec } from '../define/schedule-spec.ts'
import { scheduleSpecOf } from '../define/schedule-spec-message.ts'

export const run = RunSpec.fromPartial({
  topology: { kind: TopologyKind.TOPOLOGY_KIND_RING },
  test: { $case: 'iperf', value: { options: { duration: toDuration(1), bitsPerSecond: 8_000_000 } } },
})
export const spec = (fields: Partial<ScheduleSpecMessage>): ScheduleSpec =>
  scheduleSpecOf({
    ...ScheduleSpecMessage.fromPartial({}),
    name: 's',
    when: { $case: 'every', value: toDuration(60) },
    work: { $case: 'run', value: run },
    ...fields,
  })
export const DAY = 86_400
export const cron = (value: string): ScheduleSpecMessage['when'] => ({ $case: 'cron', value })
