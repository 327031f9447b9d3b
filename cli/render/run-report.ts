/** The report at the end of a run: the headline, the matrix of each interface, expectations and the duration. */

import type { InterfaceSummary, PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import { type Plan, type Run, RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { fromDuration } from '../../lib/protobuf-time.ts'
import { counted, formatBitrate, formatDuration, formatRatio } from '../../lib/units.ts'
import { hasEnded, runTest } from './enum-words.ts'
import { renderExpectations } from './expectations-text.ts'
import { renderHostProblems } from './host-document.ts'
import { formatIn, renderMatrix, unitFor } from './matrix-text.ts'
import { type Paint, sanitize } from './paint.ts'
import { buildMatrix, interfacesOf, type Matrix, type MatrixMeasure } from './pair-matrix.ts'
import { renderHeadline } from './run-headline.ts'
import { hasTransactions, transactionFigures } from './transaction-text.ts'
import { wallTime } from './wall-time.ts'

export type ReportOptions = { paint: Paint; columns: number | undefined }

/** The measure of the matrix: for pings loss if there is any, else round-trip time. */
const measureOf = (run: Run, pairs: readonly PairResult[]): MatrixMeasure => {
  if (runTest(run) === 'iperf') return hasTransactions(pairs) ? 'rtt-p50' : 'throughput'
  const anyLoss = pairs.some(({ values }) => values?.$case === 'ping' && values.value.lossRatio > 0)
  return anyLoss ? 'loss' : 'rtt-p50'
}

const throughputFigures = (summary: InterfaceSummary): string | undefined => {
  const spread = summary.bitsPerSecond
  if (!spread || summary.measuredCount === 0) return undefined
  const unit = unitFor('throughput', spread.median)
  const figure = (value: number) => formatIn(unit, value)
  return (
    `min ${figure(spread.min)}   mean ${figure(spread.mean)}   max ${figure(spread.max)} ${unit.name}   ` +
    `aggregate ${formatBitrate(summary.aggregateBitsPerSecond)}`
  )
}

const pingFigures = (summary: InterfaceSummary): string | undefined => {
  const parts: string[] = []
  if (summary.lossRatio !== undefined) parts.push(`loss ${formatRatio(summary.lossRatio)} in the whole test`)
  if (summary.rtt) {
    const { p50, p99, max } = summary.rtt
    const [p50Seconds = 0, p99Seconds = 0, maxSeconds = 0] = [p50, p99, max].map((each) => fromDuration(each))
    const unit = unitFor('rtt-p50', p50Seconds)
    const figures = [p50Seconds, p99Seconds, maxSeconds].map((seconds) => formatIn(unit, seconds))
    parts.push(`p50 ${figures[0]}`, `p99 ${figures[1]}`, `max ${figures[2]} ${unit.name}`)
  }
  return parts.length > 0 ? parts.join('   ') : undefined
}

/** The figures of one interface in one line. */
const renderFigures = (summary: InterfaceSummary): string | undefined =>
  throughputFigures(summary) ?? pingFigures(summary)

const renderWorst = (summary: InterfaceSummary, matrix: Matrix, paint: Paint): string | undefined => {
  if (summary.worst.length === 0) return undefined
  const unit = unitFor(matrix.measure, matrix.median)
  const names = summary.worst.map(({ source, destination }) => {
    const row = matrix.sources.indexOf(source?.node ?? '')
    const cell = matrix.rows[row]?.[matrix.destinations.indexOf(destination?.node ?? '')]
    const value = cell?.kind === 'value' ? ` ${formatIn(unit, cell.value)}` : ''
    return `${sanitize(`${source?.node} → ${destination?.node}`)}${value}`
  })
  return paint('yellow', `worst: ${names.join(', ')}`)
}

const renderRounds = (plan: Plan): string => {
  const rounds = counted(plan.roundCount, 'round')
  if (plan.roundCount === plan.lowerBound) return `${rounds}, the fewest possible`
  return `${rounds} (lower bound ${plan.lowerBound})`
}

const renderTime = (run: Run, pairs: readonly PairResult[]): string | undefined => {
  const { seconds, efficiencyRatio } = wallTime(run)
  const parts: string[] = []
  if (run.plan && runTest(run) === 'iperf') parts.push(renderRounds(run.plan))
  if (seconds !== undefined && hasEnded(run)) {
    const isWhole = run.state === RunState.RUN_STATE_COMPLETED && efficiencyRatio !== undefined
    const share = !isWhole ? '' : `, ${Math.round(efficiencyRatio * 100)} % of ideal time`
    parts.push(`${formatDuration(seconds)}${share}`)
  }
  const retried = pairs.filter(({ attemptCount }) => attemptCount > 1).length
  if (retried > 0) parts.push(`${counted(retried, 'pair')} retried`)
  return parts.length > 0 ? parts.join('; ') : undefined
}

/** The matrix of one interface and its figures. */
export const renderInterface = (
  run: Run,
  pairs: readonly PairResult[],
  name: string,
  { paint, columns }: ReportOptions,
): string => {
  const ofInterface = pairs.filter((pair) => (pair.source?.interface ?? '') === name)
  const matrix = buildMatrix(ofInterface, name, measureOf(run, ofInterface))
  const fullOutputHint = `all pairs: meshgauge runs export ${run.id}`
  const summary = run.summary?.interfaces.find((each) => each.interface === name)
  const lines = [renderMatrix(matrix, { paint, columns, fullOutputHint })]
  if (summary)
    lines.push(
      transactionFigures(ofInterface) ?? renderFigures(summary) ?? '',
      renderWorst(summary, matrix, paint) ?? '',
    )
  return lines.filter((line) => line !== '').join('\n')
}

export const renderReport = (run: Run, pairs: readonly PairResult[], options: ReportOptions): string => {
  const label = run.spec?.label ? ` (${sanitize(run.spec.label)})` : ''
  const time = renderTime(run, pairs)
  const expectations = run.summary?.expectations ?? []
  return [
    renderHeadline(run, pairs, options.paint).join('\n'),
    ...(pairs.length > 0
      ? interfacesOf(pairs).map((name) => renderInterface(run, pairs, name, options))
      : []),
    ...renderHostProblems(pairs).map((problem) => options.paint('yellow', problem)),
    ...(expectations.length > 0 ? [renderExpectations(expectations, options.paint)] : []),
    [time, options.paint('dim', `Run ${run.id}${label}`)].filter((line) => line !== undefined).join('\n'),
  ].join('\n\n')
}
