import { type Paint, padEnd, widthOf } from './paint.ts'

/** A table without borders, as kubectl prints it. Hand-written because cells contain colour codes. */
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
