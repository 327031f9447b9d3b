import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { median } from '../../lib/statistics.ts'
import { counted } from '../../lib/units.ts'
import { compareNames } from './figures.ts'
import { type Paint, padEnd, padStart, sanitize, widthOf } from './paint.ts'
import type { Cell, Matrix, MatrixMeasure } from './pair-matrix.ts'
import { renderTable } from './table.ts'

/** Maximum number of rows. A larger matrix is hard to read even if it fits. */
const MAX_NODES = 24

/** Number of worst rows and columns to list instead of a matrix that does not fit. */
const WORST_COUNT = 5

export type Unit = { name: string; scale: number }

const BITRATE_UNITS: readonly Unit[] = [
  { name: 'Tbit/s', scale: 1e12 },
  { name: 'Gbit/s', scale: 1e9 },
  { name: 'Mbit/s', scale: 1e6 },
  { name: 'kbit/s', scale: 1e3 },
]

/** The unit for all values of a matrix, chosen by its median. */
export const unitFor = (measure: MatrixMeasure, middle: number | undefined): Unit => {
  if (measure === 'loss') return { name: '%', scale: 0.01 }
  if (measure !== 'throughput') {
    return middle !== undefined && middle < 1e-4 ? { name: 'µs', scale: 1e-6 } : { name: 'ms', scale: 1e-3 }
  }
  const unit = BITRATE_UNITS.find(({ scale }) => (middle ?? 1e9) >= scale)
  return unit ?? { name: 'bit/s', scale: 1 }
}

/** The value in the unit with up to three digits. A value other than 0 is never shown as 0. */
export const formatIn = (unit: Unit, value: number): string => {
  const scaled = value / unit.scale
  if (scaled === 0) return '0'
  if (unit.name === '%') return scaled < 0.01 ? '<0.01' : String(Number(scaled.toPrecision(2)))
  if (scaled < 0.005) return '<0.01'
  return scaled.toFixed(scaled >= 99.95 ? 0 : scaled >= 9.995 ? 1 : 2)
}

const FAILURE_WORDS: Partial<Record<Outcome, string>> = {
  [Outcome.OUTCOME_UNREACHABLE]: 'unreach',
  [Outcome.OUTCOME_REFUSED]: 'refused',
  [Outcome.OUTCOME_TIMED_OUT]: 'timeout',
  [Outcome.OUTCOME_INVALID]: 'invalid',
  [Outcome.OUTCOME_NOT_RUN]: '-',
}

const cellText = (cell: Cell | undefined, unit: Unit, paint: Paint): string => {
  if (!cell) return ''
  if (cell.kind === 'failed') return paint('red', FAILURE_WORDS[cell.outcome] ?? '?')
  const text = formatIn(unit, cell.value)
  // The mark makes a bad value visible without colours.
  return cell.isMarked ? paint('red', `${text}!`) : paint('green', text)
}

const MEANING: Record<MatrixMeasure, string> = {
  throughput: 'received',
  loss: 'lost',
  'rtt-p50': 'round trip, median',
  'rtt-p99': 'round trip, 99th percentile',
}

const heading = (matrix: Matrix, unit: Unit): string => {
  const name = sanitize(matrix.interface) || 'measured'
  return `${name}, ${unit.name} ${MEANING[matrix.measure]}${matrix.measure === 'loss' ? ` ${matrix.timeText}` : ''}`
}

/** The common prefix of all names up to a separator: `node-` for node-1 and node-12. */
const commonPrefix = (names: readonly string[]): string => {
  let prefix = names[0] ?? ''
  for (const name of names) while (!name.startsWith(prefix)) prefix = prefix.slice(0, -1)
  return /^(.*[^\p{L}\d])/u.exec(prefix)?.[1] ?? ''
}

type Layout = { lines: string[]; width: number }

const layOut = (matrix: Matrix, unit: Unit, columnNames: readonly string[], paint: Paint): Layout => {
  const texts = matrix.rows.map((row, r) =>
    row.map((cell, c) =>
      matrix.sources[r] === matrix.destinations[c] && !cell ? paint('dim', '·') : cellText(cell, unit, paint),
    ),
  )
  const rowNames = matrix.sources.map(sanitize)
  const nameWidth = Math.max(...rowNames.map(widthOf))
  const width = Math.max(...[...columnNames, ...texts.flat()].map(widthOf))
  const line = (name: string, cells: readonly string[]) =>
    `  ${padEnd(name, nameWidth)}${cells.map((cell) => `  ${padStart(cell, width)}`).join('')}`.trimEnd()
  return {
    lines: [paint('dim', line('', columnNames)), ...texts.map((row, r) => line(rowNames[r]!, row))],
    width: 2 + nameWidth + columnNames.length * (width + 2),
  }
}

/** A row or column of the matrix: all that a node sends, or all that it receives. */
type Line = { node: string; values: number[]; failedCount: number }

/** A row or column whose median is within this ratio of the matrix's median is not listed. */
const ALIKE_RATIO = 0.05

const worstLines = (matrix: Matrix, lines: readonly Line[]): Line[] => {
  const higherIsWorse = matrix.measure !== 'throughput'
  const middle = matrix.median ?? 0
  const badness = ({ values }: Line) => ((median(values) ?? middle) - middle) * (higherIsWorse ? 1 : -1)
  const sorted = [...lines].sort(
    (a, b) => b.failedCount - a.failedCount || badness(b) - badness(a) || compareNames(a.node, b.node),
  )
  const worst = sorted.filter((line) => line.failedCount > 0 || badness(line) > ALIKE_RATIO * middle)
  return (worst.length > 0 ? worst : sorted.slice(0, 1)).slice(0, WORST_COUNT)
}

const toLine = (node: string, cells: readonly (Cell | undefined)[]): Line => ({
  node,
  values: cells.flatMap((cell) => (cell?.kind === 'value' ? [cell.value] : [])),
  failedCount: cells.filter((cell) => cell?.kind === 'failed').length,
})

const summarise = (matrix: Matrix, unit: Unit, paint: Paint): string[] => {
  const figure = (value: number | undefined) => (value === undefined ? '-' : formatIn(unit, value))
  const worst = Math[matrix.measure === 'throughput' ? 'min' : 'max']
  const tableOf = (verb: string, lines: readonly Line[]) =>
    renderTable(
      [`WORST ${verb}`, 'MEDIAN', 'WORST', 'FAILED'],
      worstLines(matrix, lines).map(({ node, values, failedCount }) => [
        sanitize(node),
        figure(median(values)),
        figure(values.length > 0 ? worst(...values) : undefined),
        failedCount > 0 ? paint('red', String(failedCount)) : '0',
      ]),
      paint,
    )
      .split('\n')
      .map((line) => `  ${line}`)
  const columns = matrix.destinations.map((node, c) =>
    toLine(
      node,
      matrix.rows.map((row) => row[c]),
    ),
  )
  const rows = matrix.sources.map((node, r) => toLine(node, matrix.rows[r]!))
  return [...tableOf('SENDERS', rows), ...tableOf('RECEIVERS', columns)]
}

/**
 * Renders a matrix for a terminal of `columns` columns, unlimited if undefined. A matrix that does not fit is replaced
 * by its worst rows and columns, with `fullOutputHint`: how to print the whole matrix.
 */
export const renderMatrix = (
  matrix: Matrix,
  options: { paint: Paint; columns: number | undefined; fullOutputHint: string },
): string => {
  const { paint, columns = Number.POSITIVE_INFINITY } = options
  const unit = unitFor(matrix.measure, matrix.median)
  const title = heading(matrix, unit)
  const size = Math.max(matrix.sources.length, matrix.destinations.length)
  const names = matrix.destinations.map(sanitize)
  if (size <= MAX_NODES) {
    const full = layOut(matrix, unit, names, paint)
    if (full.width <= columns) return [`${title} (row sends, column receives)`, ...full.lines].join('\n')
    const prefix = commonPrefix(names)
    const short = layOut(
      matrix,
      unit,
      names.map((name) => name.slice(prefix.length)),
      paint,
    )
    if (prefix !== '' && short.width <= columns) {
      return [`${title} (row sends, column receives; columns without "${prefix}")`, ...short.lines].join('\n')
    }
  }
  const shape = `${matrix.sources.length} x ${counted(matrix.destinations.length, 'node')}`
  return [`${title} (${shape}; ${options.fullOutputHint})`, ...summarise(matrix, unit, paint)].join('\n')
}
