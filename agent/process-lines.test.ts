import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createLines, createSplitter, DEFAULT_LIMITS, type OutputLimits } from './process-lines.ts'

test('the lines do not depend on the chunks, for any characters', () => {
  const text = fc.array(fc.string({ unit: 'binary', maxLength: 20 })).map((lines) => lines.join('\n'))
  fc.assert(
    fc.property(text, fc.array(fc.nat({ max: 200 })), (all, cuts) => {
      const bytes = Buffer.from(all)
      const splitter = createSplitter()
      const bounds = [0, ...cuts.toSorted((a, b) => a - b), bytes.length]
      const lines = bounds.slice(1).flatMap((end, index) => splitter.push(bytes.subarray(bounds[index], end)))
      const expected = bytes.toString('utf8').split('\n')
      if (expected.at(-1) === '') expected.pop()
      expect([...lines, ...splitter.end()]).toEqual(
        expected.map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line)),
      )
    }),
  )
})

const create = (limits: Partial<OutputLimits> = {}) => {
  const floods: string[] = []
  let now = 0
  const lines = createLines({
    limits: { ...DEFAULT_LIMITS, ...limits },
    monotonicSeconds: () => now,
    yieldTurn: async () => undefined,
    onFlood: (reason) => floods.push(reason),
  })
  return { lines, floods, advance: (seconds: number) => (now += seconds) }
}
const texts = async (lines: AsyncIterable<{ text: string }>) => {
  const all: string[] = []
  for await (const line of lines) all.push(line.text)
  return all
}

test('a line is there as soon as it has ended, also while the reader waits', async () => {
  const { lines } = create()
  const reader = lines[Symbol.asyncIterator]()
  const first = reader.next()
  lines.push('stdout', Buffer.from('one\ntw'))
  expect(await first).toEqual({ done: false, value: { stream: 'stdout', text: 'one' } })
  const second = reader.next()
  lines.push('stderr', Buffer.from('other\n'))
  expect(await second).toEqual({ done: false, value: { stream: 'stderr', text: 'other' } })
  lines.push('stdout', Buffer.from('o'))
  lines.end()
  expect(await reader.next()).toEqual({ done: false, value: { stream: 'stdout', text: 'two' } })
  expect(await reader.next()).toEqual({ done: true, value: undefined })
  expect(lines.stderrTail()).toBe('other')
})

test('the tail of stderr is its end', () => {
  const { lines } = create()
  for (let line = 0; line < 1000; line++)
    lines.push('stderr', Buffer.from(`line ${line} ${'x'.repeat(50)}\n`))
  expect(lines.stderrTail().length).toBeLessThanOrEqual(4096)
  expect(lines.stderrTail()).toMatch(/line 999 x+$/)
})

test.each([
  ['a line without end', { maxLineBytes: 10 }, ['12345', '67890', '1'], /line of over 10 bytes/],
  ['a long line in one chunk', { maxLineBytes: 10 }, ['12345678901\n'], /line of over 10 bytes/],
  [
    'more than is read',
    { maxUnreadBytes: 10 },
    ['12345\n', '12345\n'],
    /faster than its output could be read/,
  ],
  ['too much at once', { burstBytes: 10 }, ['12345\n', '12345\n'], /more than its limit allows/],
])('%s is a flood, once', (_, limits, chunks, reason) => {
  const { lines, floods } = create(limits)
  for (const chunk of [...chunks, ...chunks]) lines.push('stdout', Buffer.from(chunk))
  expect(floods).toEqual([expect.stringMatching(reason)])
})

test('a steady rate is never a flood, regardless of its duration', async () => {
  const { lines, floods, advance } = create({ burstBytes: 10, bytesPerSecond: 6 })
  const read = texts(lines)
  for (let second = 0; second < 100; second++) {
    lines.push('stdout', Buffer.from('12345\n'))
    advance(1)
    // The reader reads one line.
    await Promise.resolve()
  }
  lines.end()
  expect(floods).toEqual([])
  expect(await read).toHaveLength(100)
})
