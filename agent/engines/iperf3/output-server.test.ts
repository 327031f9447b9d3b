import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { fromDuration } from '../../../lib/protobuf-time.ts'
import { createServerParser, type ServerTotals } from './output-server.ts'

const samplesOf = (lines: readonly string[]) => {
  const parse = createServerParser({})
  return lines.flatMap((line) => parse(line) ?? [])
}
const recorded = (name: string) =>
  readFileSync(new URL(`./fixtures/server/${name}.txt`, import.meta.url), 'utf8').split('\n')

test.each([
  ['3.12-one', 80_000],
  ['3.12-two', 160_000],
  ['3.18-two', 160_000],
  ['3.20-two', 160_000],
])('%s: one sample for each interval, with all streams together', (name, rate) => {
  const samples = samplesOf(recorded(name))
  expect(samples.map(({ start, end }) => [fromDuration(start!), fromDuration(end!)])).toEqual([
    [0, 1],
    [1, 2],
    [2, 3],
  ])
  for (const { bitsPerSecond, bytes } of samples) {
    expect(bitsPerSecond / rate).toBeGreaterThan(0.7)
    expect(bitsPerSecond / rate).toBeLessThan(1.3)
    expect(bytes * 8).toBe(bitsPerSecond)
  }
})

test.each([
  ['3.12-one', 78_800],
  ['3.12-two', 158_000],
  ['3.20-two', 160_000],
])('%s: the total is what all streams received', (name, rate) => {
  const totals: ServerTotals = {}
  const parse = createServerParser(totals)
  for (const line of recorded(name)) parse(line)
  expect(totals.received!.bitsPerSecond / rate).toBeCloseTo(1, 1)
  expect(totals.received!.bytes * 8).toBeCloseTo(
    totals.received!.bitsPerSecond * totals.received!.seconds,
    -1,
  )
  expect([totals.sent, totals.impossible]).toEqual([undefined, undefined])
})

test('the total of a reverse test is what was sent', () => {
  const totals: ServerTotals = {}
  const line = '[  5]   0.00-2.00   sec  24.4 MBytes  102400 Kbits/sec    0             sender'
  createServerParser(totals)(line)
  expect(totals).toEqual({ sent: expect.objectContaining({ bitsPerSecond: 102_400_000 }) })
  createServerParser(totals)(line.replace('102400', '1024000').replace('sender', 'receiver'))
  expect(totals.impossible).toContain('1024000')
})

const ROW = '[  5]   0.00-1.00   sec  9.77 KBytes  80.0 Kbits/sec                  '
const CONNECTED = '[  5] local 127.0.0.1 port 5301 connected to 127.0.0.1 port 47436'

test('reports each interval once, and none of length 0', () => {
  const empty = ROW.replace('0.00-1.00', '1.00-1.00')
  expect(samplesOf([CONNECTED, ROW, ROW, empty])).toHaveLength(1)
})

test('counts datagrams in bytes', () => {
  const udp = '[  5]   0.00-1.00   sec  122 KBytes  1000 Kbits/sec  0.012 ms  0/86 (0%)  '
  expect(samplesOf([CONNECTED, udp])).toMatchObject([{ bitsPerSecond: 1_000_000, bytes: 125_000 }])
})

test('a stall is an interval of 0 bytes', () => {
  const stalled = '[  5]   1.00-2.00   sec  0.00 Bytes  0.00 Kbits/sec                  '
  expect(samplesOf([CONNECTED, ROW, stalled])[1]).toMatchObject({ bitsPerSecond: 0, bytes: 0 })
})

test('other lines are not samples', () => {
  expect(samplesOf(['', '[', 'iperf3: error - x', '[ ID] Interval', `[SUM]${'9'.repeat(10)}`])).toEqual([])
})
