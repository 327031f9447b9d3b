import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PingRequest } from '#proto/meshgauge/agent/v1/ping.ts'
import { planPing } from '../ping-request.ts'
import { createLoopBook, NOT_SENT, readProbeLine } from './loop.ts'
import { parseFpingLine } from './output.ts'

const FIXTURES = new URL('fixtures/', import.meta.url)
const lines = readdirSync(FIXTURES)
  .filter((file) => file.endsWith('.txt'))
  .flatMap((file) => readFileSync(new URL(file, FIXTURES), 'utf8').split('\n'))
  .map((line) => line.replace(/^\[[\d.]+\] /, ''))

test('reads every line that fping is known to write as the pattern does, or leaves it to the pattern', () => {
  let read = 0
  for (const text of lines) {
    const fast = readProbeLine(`before\n${text}\nafter`, 7, 7 + text.length)
    if (!fast) continue
    read++
    expect({ kind: 'probe', ...fast }).toEqual(parseFpingLine(text))
  }
  const probes = lines.filter((text) => parseFpingLine(text)?.kind === 'probe')
  expect(read).toBe(probes.length)
  expect(read).toBeGreaterThan(20)
})

type Heard = { index: number; rtt: number | undefined; reason: string }

const bookOf = (
  addresses: string[],
  fields: Parameters<typeof PingRequest.fromPartial>[0] = {},
  isInDoubt: (now: number) => boolean = () => false,
) => {
  const heard: Heard[] = []
  const request = PingRequest.fromPartial({
    targets: addresses.map((address) => ({ address })),
    continuous: true,
    timeout: { nanos: 5e8 },
    ...fields,
  })
  const sink = (index: number, rtt: number | undefined, _refused: boolean, reason: string) => {
    heard.push({ index, rtt, reason })
  }
  const book = createLoopBook(planPing(request), sink, isInDoubt)
  return { book, heard, read: (text: string, now: number) => book.read(Buffer.from(text), now) }
}
const answer = (address: string, sequence: number, ms = 0.5) =>
  `${address} : [${sequence}], 64 bytes, ${ms} ms (0.1 avg, 0% loss)\n`
const timeout = (address: string, sequence: number) =>
  `${address} : [${sequence}], timed out (0.1 avg, 20% loss)\n`

test('every probe is counted once, however the lines are cut and in whichever order they come', () => {
  const shuffled = fc.shuffledSubarray(
    Array.from({ length: 12 }, (_, sequence) => sequence),
    { minLength: 12 },
  )
  fc.assert(
    fc.property(shuffled, fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (order, cuts) => {
      const { book, heard } = bookOf(['10.0.0.1', '10.0.0.2', '10.0.0.1'])
      const text = order
        .map(
          (sequence) =>
            answer('10.0.0.1', sequence) + timeout('10.0.0.2', sequence) + answer('10.0.0.1', sequence),
        )
        .join('')
      for (let at = 0, turn = 0; at < text.length; turn++) {
        const length = cuts[turn % cuts.length]!
        book.read(Buffer.from(text.slice(at, at + length)), 1)
        at += length
      }
      for (const index of [0, 1, 2]) {
        const own = heard.filter((one) => one.index === index)
        expect(own).toHaveLength(12)
        for (const { rtt } of own) expect(rtt).toBe(index === 1 ? undefined : 0.0005)
      }
      expect(book.unknown).toEqual([])
    }),
  )
})

test('after a cut, what was lost before the first answer is told before it', () => {
  const { heard, read } = bookOf(['10.0.0.1'], { interval: { nanos: 1e8 } })
  for (let sequence = 0; sequence < 3; sequence++) read(answer('10.0.0.1', sequence), 0.1 * sequence)
  // Five probes were on their way when the path came back; fping gives them up while new ones are answered.
  for (let sequence = 3; sequence < 8; sequence++) {
    read(answer('10.0.0.1', sequence + 5, sequence), 0.1 * (sequence + 5))
    read(timeout('10.0.0.1', sequence), 0.1 * (sequence + 5))
  }
  const told = heard.map(({ rtt }) => (rtt === undefined ? '-' : Math.round(rtt * 1000)))
  expect(told).toEqual([1, 1, 1, '-', '-', '-', '-', '-', 3, 4, 5, 6, 7])
})

test('what fping does not tell of was not sent: lost when its time is over, if others were sent later', () => {
  const { book, heard, read } = bookOf(['10.0.0.1', '10.0.0.2'])
  for (let second = 0; second < 3; second++)
    read(answer('10.0.0.1', second) + answer('10.0.0.2', second), 100 + second)
  heard.length = 0
  for (let second = 3; second < 6; second++) {
    read(answer('10.0.0.1', second), 100 + second)
    book.expire(100 + second + 0.1)
  }
  // Due at 103 and 104, each with half a second to answer and as much to be told of; that of 105 may still come.
  expect(heard.filter(({ index }) => index === 1)).toEqual([
    { index: 1, rtt: undefined, reason: NOT_SENT },
    { index: 1, rtt: undefined, reason: NOT_SENT },
  ])
  expect(heard.filter(({ index }) => index === 0)).toHaveLength(3)
})

test('a target of which nothing was ever heard is lost as well', () => {
  const { book, heard, read } = bookOf(['10.0.0.1', '10.0.0.2'])
  for (let second = 0; second < 8; second++) {
    read(answer('10.0.0.1', second), 100 + second)
    book.expire(100 + second)
  }
  expect(heard.filter(({ index }) => index === 1).length).toBeGreaterThanOrEqual(4)
})

test('silence of all accuses nobody', () => {
  const { book, heard, read } = bookOf(['10.0.0.1', '10.0.0.2'])
  read(answer('10.0.0.1', 0) + answer('10.0.0.2', 0), 100)
  for (let second = 1; second < 20; second++) book.expire(100 + second)
  expect(heard.filter(({ rtt }) => rtt === undefined)).toEqual([])
})

test('an fping that was stopped and makes up for it slowly accuses nobody', () => {
  const { book, heard, read } = bookOf(['10.0.0.1', '10.0.0.2'], { interval: { nanos: 5e7 } })
  const sends = (sequence: number, at: number) => {
    read(answer('10.0.0.1', sequence), at)
    read(answer('10.0.0.2', sequence), at + 0.02)
    if (sequence % 2 === 0) book.expire(at + 0.03)
  }
  for (let sequence = 0; sequence < 80; sequence++) sends(sequence, 100 + 0.05 * sequence)
  // Nothing for three seconds; then, as it was seen to do, each round takes five sixths of its time until it is level.
  for (let look = 0; look < 30; look++) book.expire(104 + 0.1 * look)
  for (let sequence = 80; sequence < 400; sequence++) sends(sequence, 107 + 0.042 * (sequence - 80))
  expect(heard.filter(({ rtt }) => rtt === undefined)).toEqual([])
  expect(heard).toHaveLength(800)
})

test('a loss that was heard of in doubt is none, also when its turn to be told comes later', () => {
  const { book, heard, read } = bookOf(['10.0.0.1'], { interval: { nanos: 1e8 } }, (now) => now < 101)
  read(answer('10.0.0.1', 0), 100)
  // The first was never sent; that is known only when its time is over.
  read(timeout('10.0.0.1', 2) + timeout('10.0.0.1', 3), 100.9)
  read(timeout('10.0.0.1', 4), 101.1)
  for (let sequence = 5; sequence < 15; sequence++) read(answer('10.0.0.1', sequence), 100 + sequence / 10)
  book.expire(101.6)
  expect(heard.filter(({ rtt }) => rtt === undefined)).toEqual([
    { index: 0, rtt: undefined, reason: NOT_SENT },
    { index: 0, rtt: undefined, reason: '' },
  ])
  expect(heard.filter(({ rtt }) => rtt !== undefined)).toHaveLength(11)
})

test('a complaint of the network is the reason of the next loss only', () => {
  const { book, heard, read } = bookOf(['10.0.0.1'])
  book.readError('ICMP Host Unreachable from 10.0.0.9 for ICMP Echo sent to 10.0.0.1', 1)
  read(timeout('10.0.0.1', 0) + timeout('10.0.0.1', 1), 1)
  expect(heard.map(({ reason }) => reason)).toEqual(['ICMP Host Unreachable from 10.0.0.9', ''])
})

test('what no fping writes is kept for who has to find out', () => {
  const { book, read } = bookOf(['10.0.0.1'])
  read('Segmentation fault\n', 1)
  read('x'.repeat(5000), 1)
  expect(book.unknown).toHaveLength(2)
})
