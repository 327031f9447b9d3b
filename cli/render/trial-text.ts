/** The texts of a trial: one line for each run when it ends; at the end the tables and the answer. */

import type { PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import { type Run, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { fromDuration } from '../../lib/protobuf-time.ts'
import { counted, formatDuration, formatRatio } from '../../lib/units.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { runTest } from './enum-words.ts'
import { formatIn, unitFor } from './matrix-text.ts'
import { type Paint, sanitize } from './paint.ts'
import { buildMatrix, interfacesOf } from './pair-matrix.ts'
import { renderHeadline, runExitCode } from './run-headline.ts'
import { type ReportOptions, renderInterface } from './run-report.ts'
import { wallTime } from './wall-time.ts'

export type MeasuredRun = { name: string; run: Run; pairs: PairResult[] }

/** `12 pairs, 2 rounds` */
export const runExtent = ({ run, pairs }: MeasuredRun): string => {
  const rounds = run.plan && runTest(run) === 'iperf' ? `, ${counted(run.plan.roundCount, 'round')}` : ''
  return `${counted(pairs.length, 'pair')}${rounds}`
}

/** The figures of all interfaces together. Percentiles are not averaged: the highest is shown. */
export const runFigures = ({ run }: MeasuredRun): string => {
  const interfaces = run.summary?.interfaces ?? []
  const measured = interfaces.filter((each) => each.measuredCount > 0)
  if (measured.length === 0) return 'nothing measured'
  if (runTest(run) === 'ping') {
    const loss = Math.max(...interfaces.map((each) => each.lossRatio ?? 0))
    const p99 = Math.max(...measured.map((each) => fromDuration(each.rtt?.p99) ?? 0))
    return `loss ${formatRatio(loss)} in the whole test   p99 ${formatDuration(p99)}`
  }
  const spreads = measured.flatMap(({ bitsPerSecond }) => bitsPerSecond ?? [])
  const unit = unitFor('throughput', spreads[0]?.median)
  const min = formatIn(unit, Math.min(...spreads.map((spread) => spread.min)))
  const max = formatIn(unit, Math.max(...spreads.map((spread) => spread.max)))
  const { efficiencyRatio } = wallTime(run)
  const efficiency =
    efficiencyRatio === undefined ? '' : `   ${Math.round(efficiencyRatio * 100)} % of ideal time`
  return `${min} to ${max} ${unit.name}${efficiency}`
}

/** A ring as one line: `node-1 ─ 0.95 → node-2 ─ …`. */
const renderRing = (pairs: readonly PairResult[], name: string, paint: Paint): string => {
  const matrix = buildMatrix(pairs, name, 'throughput')
  const unit = unitFor('throughput', matrix.median)
  const steps = matrix.sources.map((source, row) => {
    const cell = matrix.rows[row]?.find((candidate) => candidate !== undefined)
    const value = cell?.kind === 'value' ? formatIn(unit, cell.value) : paint('red', 'failed')
    return `${sanitize(source)} ─ ${cell?.kind === 'value' && cell.isMarked ? paint('red', value) : value} → `
  })
  return `${sanitize(name)}, ${unit.name} received around the ring\n  ${steps.join('')}${sanitize(matrix.sources[0] ?? '')}`
}

const isRing = ({ run }: MeasuredRun): boolean => run.spec?.topology?.kind === TopologyKind.TOPOLOGY_KIND_RING

/** The tables of all runs: the ping mesh, the iperf ring and the iperf mesh. */
export const renderTrialTables = (all: readonly MeasuredRun[], options: ReportOptions): string =>
  all
    .flatMap((measured) => {
      const { run, pairs } = measured
      const names = interfacesOf(pairs)
      if (isRing(measured)) return names.map((name) => renderRing(pairs, name, options.paint))
      return names.map((name) => renderInterface(run, pairs, name, options))
    })
    .join('\n\n')

/** A verdict takes precedence over pairs that could not be measured. */
export const trialExitCode = (all: readonly MeasuredRun[], checks: ExitCode): ExitCode => {
  const codes = [checks, ...all.map(({ run }) => runExitCode(run))]
  return [EXIT.verdict, EXIT.notMeasured].find((code) => codes.includes(code)) ?? EXIT.healthy
}

/** `bad` for any exit code but 0, `odd` if the collector has something to note, else `good`. */
export const trialRunGrade = ({ run }: MeasuredRun): 'good' | 'odd' | 'bad' => {
  if (runExitCode(run) !== EXIT.healthy) return 'bad'
  return (run.judgement?.notes.length ?? 0) > 0 ? 'odd' : 'good'
}

/** The headlines of all runs that are not good, or one headline if all are. */
export const renderTrialAnswer = (all: readonly MeasuredRun[], paint: Paint): string => {
  // A ring cannot name a culprit, and the mesh has the same pairs.
  const candidates = all.filter((measured) => !isRing(measured) || trialRunGrade(measured) === 'bad')
  const notGood = candidates.filter((measured) => trialRunGrade(measured) !== 'good')
  if (notGood.length === 0) {
    return candidates
      .slice(-1)
      .flatMap(({ run, pairs }) => renderHeadline(run, pairs, paint))
      .join('\n')
  }
  return notGood
    .flatMap(({ name, run, pairs }) => [paint('bold', `${name}:`), ...renderHeadline(run, pairs, paint)])
    .join('\n')
}
