/** Schedules and coverage as JSON documents. Unknown values are absent. */

import {
  type Coverage,
  type GetCoverageResponse,
  type Schedule,
  ScheduleOrigin,
  ScheduleSpec,
  ScheduleState,
} from '#proto/meshgauge/collector/v1/schedule.ts'
import { fromDuration, fromTimestamp } from '../../lib/protobuf-time.ts'
import { topologyWord, wordOf } from './enum-words.ts'

const stateWord = wordOf(ScheduleState, 'SCHEDULE_STATE_')

const ORIGINS: Partial<Record<ScheduleOrigin, string>> = {
  [ScheduleOrigin.SCHEDULE_ORIGIN_DEFAULT]: 'default',
  [ScheduleOrigin.SCHEDULE_ORIGIN_CONFIG]: 'config',
  [ScheduleOrigin.SCHEDULE_ORIGIN_API]: 'added',
}

export const scheduleState = ({ state }: Schedule): string => stateWord(state)
export const scheduleOrigin = ({ origin }: Schedule): string => ORIGINS[origin] ?? 'unknown'

/** What a schedule does: `iperf mesh`, `profile baseline` or `ping mesh, always`. */
export const scheduleWork = (spec: ScheduleSpec | undefined): string => {
  const work = spec?.work
  if (work?.$case === 'mesh') return 'ping mesh, always'
  if (work?.$case === 'profile') {
    const { source, file } = work.value
    return `profile ${source?.$case === 'name' ? source.value : file}`
  }
  if (work?.$case !== 'run') return ''
  const kind = work.value.topology?.kind
  return `${work.value.test?.$case ?? ''} ${kind === undefined ? '' : topologyWord(kind)}`.trim()
}

export const coverageDocument = (coverage: Coverage) => ({
  pairs: coverage.pairCount,
  covered: coverage.coveredCount,
  overdue: coverage.overdueCount,
  never: coverage.neverCount,
  oldestSeconds: fromDuration(coverage.oldestAge),
})

const time = (value: Schedule['nextTime']) => fromTimestamp(value)?.toISOString()

export const scheduleDocument = (schedule: Schedule) => ({
  name: schedule.spec?.name ?? '',
  origin: scheduleOrigin(schedule),
  state: scheduleState(schedule),
  reason: schedule.reason || undefined,
  work: scheduleWork(schedule.spec),
  nextTime: time(schedule.nextTime),
  lastStartTime: time(schedule.lastStartTime),
  lastLatenessSeconds: fromDuration(schedule.lastLateness),
  runs: schedule.runIds,
  started: schedule.startCount,
  late: schedule.lateCount,
  missed: schedule.missedCount,
  skippedOverlap: schedule.overlapCount,
  skippedOverBudget: schedule.overBudgetCount,
  failed: schedule.failedCount,
  coverage: schedule.coverage && coverageDocument(schedule.coverage),
  spent: schedule.spent && {
    bytes: schedule.spent.bytes,
    busySeconds: fromDuration(schedule.spent.busy),
    periodSeconds: fromDuration(schedule.spent.period),
  },
  spec: schedule.spec && ScheduleSpec.toJSON(schedule.spec),
})

export const coverageAnswerDocument = ({ coverage, overdue }: GetCoverageResponse) => ({
  coverage: coverage && coverageDocument(coverage),
  overdue: overdue.map(({ lastTime, ...pair }) => ({ ...pair, lastTime: time(lastTime) })),
})
