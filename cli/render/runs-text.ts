import type { Run } from '#proto/meshgauge/collector/v1/run.ts'
import { fromTimestamp } from '../../lib/protobuf-time.ts'
import { counted, formatCount, formatDuration } from '../../lib/units.ts'
import { hasEnded, runTest, runTopology, stateWord } from './enum-words.ts'
import { ago, firstSentence } from './figures.ts'
import { type Paint, sanitize } from './paint.ts'
import { shortenIds } from './short-ids.ts'
import { renderTable } from './table.ts'
import { wallTime } from './wall-time.ts'

const verdictCell = (run: Run, paint: Paint): string => {
  const [verdict] = run.verdicts
  if (verdict) {
    const rest = run.verdicts.length > 1 ? ` (and ${run.verdicts.length - 1} more)` : ''
    return paint('red', `✘ ${sanitize(firstSentence(verdict.message))}${rest}`)
  }
  if (run.stateReason) return paint('yellow', sanitize(firstSentence(run.stateReason)))
  return ''
}

const rowOf = (run: Run, id: string, now: Date, paint: Paint): string[] => {
  const { measuredCount = 0, pairCount = run.plan?.pairCount ?? 0 } = run.progress ?? {}
  const { seconds } = wallTime(run)
  return [
    id,
    sanitize(run.spec?.label ?? ''),
    stateWord(run.state),
    `${runTest(run)} ${runTopology(run)}`,
    `${formatCount(measuredCount)} of ${formatCount(pairCount)}`,
    ago(fromTimestamp(run.startTime ?? run.createTime), now),
    hasEnded(run) && seconds !== undefined ? formatDuration(seconds) : '',
    verdictCell(run, paint),
  ]
}

/** @param older the next run of the list, whose id the short ids must also differ from */
export const renderRuns = (
  runs: readonly Run[],
  now: Date,
  paint: Paint,
  older: Run | undefined = undefined,
): string => {
  if (runs.length === 0) return 'No runs yet. Start one: meshgauge run mesh --test ping'
  const shorten = shortenIds([...runs, ...(older ? [older] : [])].map(({ id }) => id))
  return renderTable(
    ['ID', 'LABEL', 'STATE', 'TEST', 'MEASURED', 'STARTED', 'TOOK', 'VERDICT'],
    runs.map((run) => rowOf(run, shorten(run.id), now, paint)),
    paint,
  )
}

/** The answer of `runs cancel`: what became of the run. */
export const renderCancelled = (run: Run): string => {
  if (!hasEnded(run))
    return `Run ${run.id} is still ${stateWord(run.state)}: its agents have not stopped yet.`
  const { measuredCount = 0, pairCount = 0 } = run.progress ?? {}
  return `Run ${run.id} is ${stateWord(run.state)}. ${formatCount(measuredCount)} of ${counted(pairCount, 'pair')} were measured; their results are stored.`
}
