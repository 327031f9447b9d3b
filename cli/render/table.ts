import { Help } from 'commander'
import { type Paint, padEnd, widthOf } from './paint.ts'

/** Tables are at most this wide, so that they can be read in a terminal, a mail or a ticket. */
export const TABLE_WIDTH = 100

const GAP = '   '

/** Lines below this width are not shortened further: they would have one word each. */
const MIN_COLUMN_WIDTH = 12

const wrapper = Object.assign(new Help(), { minWidthToWrap: 1 })

/** Replaces a space at which a line must not end. From the private use area of Unicode. */
const KEPT_SPACE = '\ue000'

/** A text with one style, as Paint returns it: the style on, the text, the style off. */
const STYLE = `${String.fromCharCode(0x1b)}\\[\\d+m`
const STYLED = new RegExp(`^(${STYLE})(.*)(${STYLE})$`, 'su')

/** The lines of a cell. A cell with items between two spaces is only broken between items. */
const wrapCell = (cell: string, width: number): string[] => {
  if (widthOf(cell) <= width) return [cell]
  const [, on = '', text = cell, off = ''] = STYLED.exec(cell) ?? []
  const items = text.includes('  ') ? text.replace(/(?<! ) (?! )/g, KEPT_SPACE) : text
  return wrapper
    .boxWrap(items, width)
    .split('\n')
    .map((line) => `${on}${line.replaceAll(KEPT_SPACE, ' ').trim()}${off}`)
}

const totalOf = (widths: readonly number[]): number =>
  widths.reduce((sum, width) => sum + width, 0) + GAP.length * Math.max(0, widths.length - 1)

const longestWord = (cell: string): number =>
  Math.max(...cell.split(cell.includes('  ') ? /\s{2,}/ : /\s/).map(widthOf))

/**
 * Makes the widest columns narrower until all fit. A column stays as wide as its longest word; if they cannot fit, all
 * keep their width.
 */
const fitWidths = (columns: readonly (readonly string[])[], natural: readonly number[]): number[] => {
  if (totalOf(natural) <= TABLE_WIDTH) return [...natural]
  const least = columns.map((cells, column) =>
    Math.min(natural[column]!, Math.max(MIN_COLUMN_WIDTH, ...cells.map(longestWord))),
  )
  if (totalOf(least) > TABLE_WIDTH) return [...natural]
  const widths = [...natural]
  for (let excess = totalOf(widths) - TABLE_WIDTH; excess > 0; excess--) {
    const spare = widths.map((width, column) => (width > least[column]! ? width : 0))
    widths[spare.indexOf(Math.max(...spare))]! -= 1
  }
  return widths
}

/** Splits the columns into blocks that fit. Each begins with the first column, which names the row. */
const blocksOf = (widths: readonly number[]): number[][] => {
  const blocks: number[][] = [[0]]
  for (let column = 1; column < widths.length; column++) {
    const block = blocks.at(-1)!
    const isFull = block.length > 1 && totalOf([...block, column].map((each) => widths[each]!)) > TABLE_WIDTH
    if (isFull) blocks.push([0, column])
    else block.push(column)
  }
  return blocks
}

/**
 * A table without borders, as kubectl prints it, at most TABLE_WIDTH wide. Columns that are empty in every row are left
 * out, long texts are wrapped, and columns that still do not fit follow in further blocks, without rows that are empty
 * there.
 */
export const renderTable = (
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  paint: Paint,
): string => {
  const shown = headings.flatMap((heading, column) => {
    const cells = rows.map((row) => row[column] ?? '')
    return rows.length > 0 && column > 0 && cells.every((cell) => cell === '') ? [] : [[heading, ...cells]]
  })
  const widths = fitWidths(
    shown,
    shown.map((cells) => Math.max(...cells.map(widthOf))),
  )
  const renderRow = (index: number, block: readonly number[], style: (line: string) => string): string => {
    const cells = block.map((column) => wrapCell(shown[column]![index]!, widths[column]!))
    const height = Math.max(...cells.map((lines) => lines.length))
    return Array.from({ length: height }, (_, at) =>
      style(
        cells
          .map((lines, position) => padEnd(lines[at] ?? '', widths[block[position]!]!))
          .join(GAP)
          .trimEnd(),
      ),
    ).join('\n')
  }
  const bold = (line: string) => paint('bold', line)
  const isShown = (index: number, block: readonly number[]) =>
    block[1] === undefined || block.slice(1).some((column) => shown[column]![index] !== '')
  const renderBlock = (block: readonly number[], position: number): string => {
    const indexes = rows.map((_, row) => row + 1).filter((index) => position === 0 || isShown(index, block))
    const lines = indexes.map((index) => renderRow(index, block, (line) => line))
    return [renderRow(0, block, bold), ...lines].join('\n')
  }
  return blocksOf(widths).map(renderBlock).join('\n\n')
}
