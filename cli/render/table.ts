import { type Paint, padEnd, widthOf } from './paint.ts'

/** A table without lines, as kubectl prints them: headings, then rows, each column as wide as it must be. */
export const renderTable = (
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  paint: Paint,
): string => {
  const widths = headings.map((heading, column) =>
    Math.max(widthOf(heading), ...rows.map((row) => widthOf(row[column] ?? ''))),
  )
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => (column === widths.length - 1 ? cell : padEnd(cell, widths[column]!)))
      .join('   ')
      .trimEnd()
  return [
    paint(
      'bold',
      line(
        headings.map((heading, column) =>
          padEnd(heading, column === widths.length - 1 ? 0 : widths[column]!),
        ),
      ),
    ),
    ...rows.map(line),
  ].join('\n')
}
