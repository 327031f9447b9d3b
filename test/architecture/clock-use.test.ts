import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { productionFiles } from './source-files.ts'

/** Ways to read the time or to wait that a test with its own clock does not control. */
const TIME = /\bperformance\.now\(|\bDate\.now\(|\bnew Date\(\)|\bprocess\.(hrtime|uptime)\(|\bos\.uptime\(/

const findsTime = (text: string) => TIME.test(text)

test('only lib/clock.ts reads the time of the system', () => {
  expect(productionFiles.filter((file) => findsTime(readFileSync(file, 'utf8')))).toEqual(['lib/clock.ts'])
})

test.each(['const start = performance.now()', 'at = Date.now()', 'now: () => new Date()'])(
  'the check finds %s',
  (text) => expect(findsTime(text)).toBe(true),
)
