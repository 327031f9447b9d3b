import { expect, test } from 'vitest'
import { UNUSABLE_RTT } from '../engine.ts'
import { testPingParser } from '../testing/ping-output.ts'
import { type ProbeLine, parseFpingLine, readProbeLine } from './output.ts'

const read = testPingParser(new URL('./fixtures/', import.meta.url), parseFpingLine)

test('parses answers, losses and totals', () => {
  const events = read('loss.txt')
  expect(events).toHaveLength(33)
  expect(events[0]).toEqual({ kind: 'probe', address: '10.99.0.2', sequence: 0, rttSeconds: 0.025 / 1000 })
  expect(events[2]).toEqual({ kind: 'probe', address: '10.99.0.3', sequence: 0, rttSeconds: undefined })
  expect(events.slice(-3)).toEqual([
    { kind: 'total', address: '10.99.0.2', sentCount: 10 },
    { kind: 'total', address: '10.99.0.3', sentCount: 10 },
    { kind: 'total', address: '10.99.0.5', sentCount: 10 },
  ])
  const lost = events.filter((event) => event.kind === 'probe' && event.rttSeconds === undefined)
  expect(lost).toHaveLength(14)
})

test('parses the errors that the network returns', () => {
  expect(read('prohibited.txt').find((event) => event.kind === 'error')).toEqual({
    kind: 'error',
    address: '10.99.0.4',
    reason: 'ICMP Unreachable (Communication Administratively Prohibited) from 10.99.0.4',
  })
})

test('a failed start is an unknown line', () => {
  expect(read('bad-source.txt')).toEqual([
    { kind: 'unknown', text: 'fping: cannot bind source address : Cannot assign requested address' },
  ])
})

test.each([
  ['10.0.0.1 : [3], 84 bytes, 1.5 ms (1.5 avg, 0% loss)', 0.0015],
  ['[1795154540.68824] fe80::1%eth0 : [3], 64 bytes, 1.05e+03 ms (1.05e+03 avg, 0% loss)', 1.05],
])('parses other forms of a probe: %s', (line, rttSeconds) => {
  expect(parseFpingLine(line)).toMatchObject({ kind: 'probe', sequence: 3, rttSeconds })
})

test('ignores a second answer to the same probe', () => {
  const line = '10.0.0.1 : duplicate for [0], 64 bytes, 0.04 ms'
  expect(parseFpingLine(line)).toBeUndefined()
})

// Negative times occur: schweikert/fping issue 116.
test.each(['-0.011', '-nan', 'inf', '99999999', '1x'])('%s ms is an answer without a usable time', (ms) => {
  const line = `10.0.0.1 : [3], 64 bytes, ${ms} ms (0.1 avg, 0% loss)`
  const expected = { address: '10.0.0.1', sequence: 3, rttSeconds: UNUSABLE_RTT }
  expect(parseFpingLine(line)).toEqual({ kind: 'probe', ...expected })
  const fast: ProbeLine = { address: '', sequence: 0, rttSeconds: undefined }
  expect(readProbeLine(line, 0, line.length, fast)).toBe(true)
  expect(fast).toEqual(expected)
})

test.each([
  '10.0.0.1 : [4294967295], 64 bytes, 0.1 ms (0.1 avg, 0% loss)',
  '10.0.0.1 : xmt/rcv/%loss = 99999999999/0/100%',
])('a count that fping cannot reach is not understood: %s', (line) => {
  expect(parseFpingLine(line)).toEqual({ kind: 'unknown', text: line })
  expect(readProbeLine(line, 0, line.length, { address: '', sequence: 0, rttSeconds: undefined })).toBe(false)
})
