import { stripVTControlCharacters } from 'node:util'
import { expect, test } from 'vitest'
import { createPaint, noPaint, widthOf } from './paint.ts'
import { renderTable, TABLE_WIDTH } from './table.ts'

const widest = (table: string): number => Math.max(...table.split('\n').map(widthOf))

test('a column that is empty in every row is left out, the first one never', () => {
  const rows = [
    ['', '', 'x'],
    ['', '', ''],
  ]
  expect(renderTable(['A', 'B', 'C'], rows, noPaint)).toBe('A   C\n    x\n')
})

test('a long text is wrapped in its column, and its style covers no other column', () => {
  const paint = createPaint(true)
  const message = paint('red', `✘ ${'word '.repeat(40).trim()}`)
  const table = renderTable(['ID', 'VERDICT', 'LAST'], [['1', message, 'end']], paint)
  expect(widest(table)).toBeLessThanOrEqual(TABLE_WIDTH)
  expect(stripVTControlCharacters(table).match(/word/g)).toHaveLength(40)
  const lines = table.split('\n').slice(1)
  expect(lines.length).toBeGreaterThan(1)
  expect(lines.every((line) => line.includes('\u001b[31m') && line.includes('\u001b[39m'))).toBe(true)
})

test('a list of items is broken between two items only', () => {
  const engines = Array.from({ length: 12 }, (_, index) => `engine ${index}`).join('  ')
  const table = renderTable(['NODE', 'ENGINES'], [['n1', engines]], noPaint)
  expect(widest(table)).toBeLessThanOrEqual(TABLE_WIDTH)
  expect(table.match(/engine \d+/g)).toHaveLength(12)
})

test('a further block leaves out the rows that are empty there', () => {
  const rows = [
    ['a', 'x'.repeat(60), ''],
    ['b', 'y', 'p'.repeat(60)],
  ]
  const [, further] = renderTable(['NAME', 'WORK', 'PROBLEM'], rows, noPaint).split('\n\n')
  expect(further!.split('\n').map((line) => line.slice(0, 12).trim())).toEqual([
    'NAME   PROBL',
    'b      ppppp',
  ])
})

test('columns that do not fit follow in a further block with the first column', () => {
  const names = Array.from({ length: 14 }, (_, index) => `CHECK-${index}`)
  const table = renderTable(['NODE', ...names], [['node-1', ...names.map((name) => `ok.${name}`)]], noPaint)
  expect(widest(table)).toBeLessThanOrEqual(TABLE_WIDTH)
  expect(table.match(/^NODE/gm)).toHaveLength(3)
  expect(table.match(/^node-1/gm)).toHaveLength(3)
  for (const name of names) expect(table).toContain(`ok.${name}`)
})
