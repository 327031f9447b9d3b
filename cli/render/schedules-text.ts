import type {
  Coverage,
  GetCoverageResponse,
  Schedule,
  ScheduleSpec,
} from '#proto/meshgauge/collector/v1/schedule.ts'
import { fromDuration, fromTimestamp } from '../../lib/protobuf-time.ts'
import { counted, formatBytes, formatCount, formatDuration } from '../../lib/units.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { ago } from './figures.ts'
import { type Paint, sanitize } from './paint.ts'
import { scheduleOrigin, scheduleState, scheduleWork } from './schedule-document.ts'
import { shortenIds } from './short-ids.ts'
import { renderTable } from './table.ts'

const when = (spec: ScheduleSpec | undefined): string => {
  if (spec?.work?.$case === 'mesh') return 'always'
  if (spec?.when?.$case === 'cron')
    return [spec.when.value, spec.timeZone].filter((part) => part !== '').join(' ')
  return spec?.when ? `every ${formatDuration(fromDuration(spec.when.value))}` : ''
}

/** The time until a moment, such as `in 3 h`. */
const timeUntil = (moment: Date | undefined, now: Date): string => {
  if (!moment) return ''
  const seconds = (moment.getTime() - now.getTime()) / 1000
  return seconds < 1 ? 'now' : `in ${formatDuration(seconds)}`
}

/** Counts of starts that did not happen as planned, such as `2 missed, 1 late`. */
const problemCounts = (schedule: Schedule): string =>
  (
    [
      [schedule.missedCount, 'missed'],
      [schedule.lateCount, 'late'],
      [schedule.overlapCount, 'overlapped'],
      [schedule.overBudgetCount, 'over budget'],
      [schedule.failedCount, 'failed'],
    ] as const
  )
    .filter(([count]) => count > 0)
    .map(([count, word]) => `${formatCount(count)} ${word}`)
    .join(', ')

const covered = (coverage: Coverage | undefined): string =>
  coverage ? `${formatCount(coverage.coveredCount)} of ${formatCount(coverage.pairCount)}` : ''

export const renderSchedules = (schedules: readonly Schedule[], now: Date, paint: Paint): string =>
  schedules.length === 0
    ? 'No schedules. Add one: meshgauge schedules add nightly mesh --test iperf --cron "0 2 * * *"'
    : renderTable(
        ['NAME', 'FROM', 'STATE', 'WORK', 'WHEN', 'NEXT', 'LAST', 'STARTS', 'COVERED', 'PROBLEMS'],
        schedules.map((schedule) => {
          const problems = [problemCounts(schedule), sanitize(schedule.reason)]
            .filter((text) => text !== '')
            .join('; ')
          return [
            sanitize(schedule.spec?.name ?? ''),
            scheduleOrigin(schedule),
            scheduleState(schedule),
            sanitize(scheduleWork(schedule.spec)),
            sanitize(when(schedule.spec)),
            timeUntil(fromTimestamp(schedule.nextTime), now),
            ago(fromTimestamp(schedule.lastStartTime), now),
            formatCount(schedule.startCount),
            covered(schedule.coverage),
            problems === '' ? '' : paint('yellow', problems),
          ]
        }),
        paint,
      )

const usedBudget = ({ spec, spent: used }: Schedule): string | undefined => {
  if (!spec?.budget || !used) return undefined
  const parts = [
    spec.budget.bytes === undefined
      ? undefined
      : `${formatBytes(used.bytes ?? 0)} of ${formatBytes(spec.budget.bytes)}`,
    spec.budget.busy &&
      `${formatDuration(fromDuration(used.busy) ?? 0)} of ${formatDuration(fromDuration(spec.budget.busy))} busy`,
  ].filter((part) => part !== undefined)
  return `${parts.join(', ')} within ${formatDuration(fromDuration(used.period) ?? 0)}`
}

const coverageLine = (coverage: Coverage): string => {
  const overdue =
    coverage.overdueCount === 0
      ? 'none overdue'
      : `${formatCount(coverage.overdueCount)} overdue, ${formatCount(coverage.neverCount)} of them never measured`
  const age = coverage.oldestAge
    ? `, the oldest measured ${formatDuration(fromDuration(coverage.oldestAge))} ago`
    : ''
  return `${covered(coverage)} pairs; ${overdue}${age}`
}

/** One schedule, with one line per property. */
export const renderSchedule = (schedule: Schedule, now: Date, paint: Paint): string => {
  const { spec } = schedule
  const next = fromTimestamp(schedule.nextTime)
  const lines: (readonly [string, string | undefined])[] = [
    ['state', `${scheduleState(schedule)} (${scheduleOrigin(schedule)})`],
    ['work', scheduleWork(spec)],
    ['when', when(spec)],
    ['next start', next && `${next.toISOString()} (${timeUntil(next, now)})`],
    ['last start', schedule.lastStartTime && ago(fromTimestamp(schedule.lastStartTime), now)],
    [
      'starts',
      [formatCount(schedule.startCount), problemCounts(schedule)].filter((text) => text !== '').join(', '),
    ],
    ['reason', schedule.reason],
    ['covered', schedule.coverage && coverageLine(schedule.coverage)],
    ['budget', usedBudget(schedule)],
    ['runs', schedule.runIds.map(shortenIds(schedule.runIds)).join(' ')],
  ]
  const shown = lines.filter(([, text]) => text !== undefined && text !== '')
  return [
    paint('bold', sanitize(spec?.name ?? '')),
    ...shown.map(([label, text]) => `  ${label.padEnd(10)}  ${sanitize(text ?? '')}`),
  ].join('\n')
}

/** 0 if every pair was measured in time, 1 if pairs are overdue, 3 if there are no pairs. */
export const coverageExitCode = ({ coverage }: GetCoverageResponse): ExitCode => {
  if (!coverage || coverage.pairCount === 0) return EXIT.notMeasured
  return coverage.overdueCount > 0 ? EXIT.verdict : EXIT.healthy
}

/** The overdue pairs, then a summary. */
export const renderCoverage = (
  answer: GetCoverageResponse,
  { within, now, paint }: { within: string; now: Date; paint: Paint },
): string => {
  const { coverage, overdue, nextPageToken } = answer
  if (!coverage || coverage.pairCount === 0) return 'The fleet has no pairs to cover.'
  const isCovered = coverageExitCode(answer) === EXIT.healthy
  const [sign, style] = isCovered ? (['✔', 'green'] as const) : (['✘', 'red'] as const)
  const summary = paint(style, `${sign} Measured within ${within}: ${coverageLine(coverage)}.`)
  if (overdue.length === 0) return summary
  const rows = overdue.map(({ source, destination, interface: name, lastTime }) => [
    sanitize(source),
    sanitize(destination),
    sanitize(name),
    ago(fromTimestamp(lastTime), now),
  ])
  const table = renderTable(['SOURCE', 'DESTINATION', 'INTERFACE', 'LAST'], rows, paint)
  const more =
    nextPageToken === ''
      ? ''
      : `\nand ${counted(coverage.overdueCount - overdue.length, 'more pair')}. Raise --limit, up to 5000, to list them.`
  return `${table}${more}\n\n${summary}`
}
