import { expect, test } from 'vitest'
import { createScreen } from '../testing/screen.ts'
import { createStatusLine } from './status-line.ts'

const LONG = `  ◐ iperf mesh   round 2 of 3  ${'▓'.repeat(17)}  600 of 1,000 pairs, 61 s left`

test.each([60, 80, 100])('a text that is replaced leaves nothing behind at %i columns', (columns) => {
  const screen = createScreen(columns)
  screen.write('before\n')
  const line = createStatusLine(screen)
  for (const text of [LONG, 'short', `${LONG}, 12 without a value`, LONG]) {
    line.show(text)
    expect(screen.text().replaceAll(/\n(?!\n|$)/g, '')).toBe(`before${text}`)
  }
  line.clear()
  screen.write('after\n')
  expect(screen.text()).toBe('before\nafter')
})

test.each([59, 60, 61])('a text of %i columns fits a terminal of 60', (width) => {
  const screen = createScreen(60)
  const line = createStatusLine(screen)
  line.show('x'.repeat(width))
  line.show('y')
  line.clear()
  screen.write('end\n')
  expect(screen.text()).toBe('end')
})

test('nothing is written to a stream that is not a terminal', () => {
  const written: string[] = []
  const line = createStatusLine({ write: (text) => written.push(text), isTTY: false, columns: undefined })
  line.show('text')
  line.clear()
  expect(written).toEqual([])
})
