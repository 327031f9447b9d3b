import { metrics as api } from '@opentelemetry/api'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Budget } from '#proto/meshgauge/collector/v1/schedule.ts'
import { toDuration } from '../../../lib/protobuf-time.ts'
import { budgetUseOf } from '../../schedules/state/budget.ts'
import { createMetrics, type Metrics } from '../catalogue/metrics.ts'
import { createScheduleObserver } from './schedule-observer.ts'

let metrics: Metrics
beforeEach(() => {
  metrics = createMetrics({ meter: api.getMeter('test') }, { version: '1' })
})
afterEach(() => metrics.close())

const lines = async () =>
  (await metrics.registry.metrics())
    .split('\n')
    .filter((line) => /^meshgauge_(schedule|coverage)_/.test(line))
    .map((line) => line.replace(/^meshgauge_/, ''))
    .sort()

const figures = { pairCount: 6, coveredCount: 4, overdueCount: 2, neverCount: 1, oldestSeconds: undefined }

test('a schedule has counters from the start, its gauges, and no series once it is removed', async () => {
  const observer = createScheduleObserver(metrics)
  observer.observeTimes('weekly', 120_000, undefined)
  const budget = Budget.fromPartial({ bytes: 1000, busy: toDuration(60) })
  observer.observeBudget('weekly', 60_000, budgetUseOf(budget, { bytes: 250, busySeconds: 90 }))
  observer.observeCoverage('weekly', figures, 3600)
  expect(await lines()).toEqual([
    'coverage_never_pairs{schedule="weekly"} 1',
    'coverage_objective_seconds{schedule="weekly"} 3600',
    'coverage_overdue_pairs{schedule="weekly"} 2',
    'coverage_pairs{schedule="weekly"} 6',
    'schedule_budget_ratio{schedule="weekly",resource="busy"} 1.5',
    'schedule_budget_ratio{schedule="weekly",resource="bytes"} 0.25',
    'schedule_created_timestamp_seconds{schedule="weekly"} 60',
    'schedule_late_total{schedule="weekly"} 0',
    'schedule_missed_total{schedule="weekly"} 0',
    'schedule_next_start_timestamp_seconds{schedule="weekly"} 120',
    ...['blackout', 'failed', 'nothing_due', 'over_budget', 'overlap'].map(
      (reason) => `schedule_skipped_total{schedule="weekly",reason="${reason}"} 0`,
    ),
    'schedule_starts_total{schedule="weekly"} 0',
  ])
  observer.observeBudget('weekly', 60_000, budgetUseOf(undefined, { bytes: 250, busySeconds: 90 }))
  expect((await lines()).filter((line) => line.includes('budget_ratio'))).toEqual([])
  observer.forget('weekly')
  expect(await lines()).toEqual([])
})
