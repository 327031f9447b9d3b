import type { Run } from '#proto/meshgauge/collector/v1/run.ts'
import { fromTimestamp } from '../../lib/protobuf-time.ts'
import { formatDuration } from '../../lib/units.ts'
import { hasEnded, runTest, runTopology, stateWord } from './enum-words.ts'
import { ago, formatCount } from './figures.ts'
import { type Paint, sanitize } from './paint.ts'
import { renderTable } from './table.ts'
import { wallTime } from './wall-time.ts'

const verdictCell = (run: Run, paint: Paint): string => {
  const [verdict] = run.verdicts
  if (verdict) {
    const rest = run.verdicts.length > 1 ? ` (and ${run.verdicts.length - 1} more)` : ''
    return paint('red', `✘ ${sanitize(verdict.message)}${rest}`)
  }
  if (run.stateReason) return paint('yellow', sanitize(run.stateReason))
  return ''
}

const rowOf = (run: Run, now: Date, paint: Paint): string[] => {
  const { measuredCount = 0, pairCount = run.plan?.pairCount ?? 0 } = run.progress ?? {}
  const { seconds } = wallTime(run)
  return [
    run.id,
    sanitize(run.spec?.label ?? ''),
    stateWord(run.state),
    `${runTest(run)} ${runTopology(run)}`,
    `${formatCount(measuredCount)} of ${formatCount(pairCount)}`,
    ago(fromTimestamp(run.startTime ?? run.createTime), now),
    hasEnded(run) && seconds !== undefined ? formatDuration(seconds) : '',
    verdictCell(run, paint),
  ]
}

export const renderRuns = (runs: readonly Run[], now: Date, paint: Paint): string =>
  runs.length === 0
    ? 'No runs yet. Start one: meshgauge run mesh --test ping'
    : renderTable(
        ['ID', 'LABEL', 'STATE', 'TEST', 'MEASURED', 'STARTED', 'TOOK', 'VERDICT'],
        runs.map((run) => rowOf(run, now, paint)),
        paint,
      )
