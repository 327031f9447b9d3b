import fc from 'fast-check'
import { expect, test } from 'vitest'
import { UNUSABLE_RTT } from '../engine.ts'
import { testPingParser } from '../testing/ping-output.ts'
import { parsePingLine, unwrapSequence } from './output.ts'

const read = testPingParser(new URL('./fixtures/', import.meta.url), parsePingLine)

test('parses answers, open probes and the total', () => {
  const events = read('loss.txt')
  expect(events[0]).toEqual({ kind: 'answer', sequence: 1, rttSeconds: 0.03 / 1000 })
  expect(events[1]).toEqual({ kind: 'waiting', sequence: 2 })
  expect(events.at(-1)).toEqual({ kind: 'total', sentCount: 12 })
  expect(events.filter((event) => event.kind === 'answer')).toHaveLength(6)
})

test.each([
  ['prohibited.txt', { kind: 'error', reason: 'Packet filtered from 10.99.0.4' }],
  [
    'prohibited6.txt',
    { kind: 'error', reason: 'Destination unreachable: Administratively prohibited from fd99::4' },
  ],
  ['too-large.txt', { kind: 'error', reason: 'message too long, mtu=1500' }],
  ['no-route.txt', { kind: 'no-route', reason: 'Network is unreachable' }],
])('parses the error in %s', (name, event) => {
  expect(read(name)).toContainEqual(event)
})

test('ignores a second answer to the same probe', () => {
  const line = '64 bytes from 10.0.0.1: icmp_seq=1 ttl=64 time=0.05 ms (DUP!)'
  expect(parsePingLine(line)).toBeUndefined()
})

test('sequence numbers continue after they wrap at 16 bits', () => {
  fc.assert(
    fc.property(fc.nat({ max: 1_000_000 }), fc.integer({ min: -100, max: 100 }), (count, offset) => {
      const lastSeen = Math.max(0, count + offset)
      expect(unwrapSequence((count % 65536) + 1, lastSeen)).toBe(count)
      expect(unwrapSequence((count + 1) % 65536, lastSeen)).toBe(count)
    }),
  )
})

test.each(['-0.011', 'nan'])('%s ms is an answer without a usable time', (ms) => {
  const line = `64 bytes from 10.0.0.1: icmp_seq=3 ttl=64 time=${ms} ms`
  expect(parsePingLine(line)).toEqual({ kind: 'answer', sequence: 3, rttSeconds: UNUSABLE_RTT })
})

// The message of iputils' ping.c when the time of day is stepped.
test('a warning about the time of day is not unknown', () => {
  expect(
    parsePingLine('ping: Warning: time of day goes back (-11us), taking countermeasures'),
  ).toBeUndefined()
})
