import type { OutputStream } from '../terminal.ts'

/** A terminal of a given width, with the control sequences that log-update writes. */
export type Screen = OutputStream & {
  /** What is visible, without trailing spaces and empty lines at the end. */
  text(): string
}

const ESCAPE = String.fromCharCode(0x1b)

/** A control sequence (ECMA-48 CSI): a private marker, a count, a command. */
const SEQUENCE = new RegExp(`${ESCAPE}\\[(\\??)(\\d*)([A-Za-z])`, 'y')

export const createScreen = (columns: number): Screen => {
  const lines: string[][] = [[]]
  let [row, column] = [0, 0]
  const moveTo = (nextRow: number, nextColumn: number) => {
    row = Math.max(0, nextRow)
    column = nextColumn
    while (lines.length <= row) lines.push([])
  }
  const control = (count: string, command: string) => {
    if (command === 'A') moveTo(row - Number(count || 1), column)
    else if (command === 'B') moveTo(row + Number(count || 1), column)
    else if (command === 'G') moveTo(row, Number(count || 1) - 1)
    else if (command === 'K') {
      const [from, to] = count === '2' ? [0, columns] : count === '1' ? [0, column + 1] : [column, columns]
      for (let at = from; at < to; at++) lines[row]![at] = ' '
    } else if (command !== 'm') throw new Error(`the screen does not know CSI ${count}${command}`)
  }
  const put = (character: string) => {
    // A terminal wraps when the next character comes, not when the last column is filled.
    if (column >= columns) moveTo(row + 1, 0)
    lines[row]![column++] = character
  }
  const write = (text: string) => {
    for (let index = 0; index < text.length; ) {
      SEQUENCE.lastIndex = index
      const sequence = SEQUENCE.exec(text)
      if (sequence) {
        const [all, isPrivate, count, command] = sequence
        if (isPrivate === '') control(count!, command!)
        index += all.length
        continue
      }
      const character = text[index++]!
      if (character === '\n') moveTo(row + 1, 0)
      else if (character === '\r') moveTo(row, 0)
      else put(character)
    }
  }
  const lineText = (line: readonly string[]) =>
    Array.from(line, (character) => character ?? ' ')
      .join('')
      .trimEnd()
  return { write, isTTY: true, columns, text: () => lines.map(lineText).join('\n').trimEnd() }
}
