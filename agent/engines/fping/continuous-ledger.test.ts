import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PingRequest } from '#proto/meshgauge/agent/v1/ping.ts'
import { UNUSABLE_RTT } from '../engine.ts'
import { planPing } from '../ping-request.ts'
import { createContinuousLedger, NOT_SENT } from './continuous-ledger.ts'
import { type ProbeLine, parseFpingLine, readProbeLine } from './output.ts'

const FIXTURES = new URL('fixtures/', import.meta.url)
const lines = readdirSync(FIXTURES)
  .filter((file) => file.endsWith('.txt'))
  .flatMap((file) => readFileSync(new URL(file, FIXTURES), 'utf8').split('\n'))
  .map((line) => line.replace(/^\[[\d.]+\] /, ''))

test('the fast reader agrees with the regular expression on every recorded line', () => {
  let read = 0
  for (const text of lines) {
    const fast: ProbeLine = { address: '', sequence: 0, rttSeconds: undefined }
    if (!readProbeLine(`before\n${text}\nafter`, 7, 7 + text.length, fast)) continue
    read++
    expect({ kind: 'probe', ...fast }).toEqual(parseFpingLine(text))
  }
  const probes = lines.filter((text) => parseFpingLine(text)?.kind === 'probe')
  expect(read).toBe(probes.length)
  expect(read).toBeGreaterThan(20)
})

type Reported = { index: number; rtt: number | undefined; reason: string }

const ledgerOf = (
  addresses: string[],
  fields: Parameters<typeof PingRequest.fromPartial>[0] = {},
  isUncertain: (now: number) => boolean = () => false,
) => {
  const reported: Reported[] = []
  const request = PingRequest.fromPartial({
    targets: addresses.map((address) => ({ address })),
    continuous: true,
    timeout: { nanos: 5e8 },
    ...fields,
  })
  const sink = (index: number, rtt: number | undefined, _refused: boolean, reason: string) => {
    reported.push({ index, rtt, reason })
  }
  const ledger = createContinuousLedger(planPing(request), sink, isUncertain)
  return { ledger, reported, read: (text: string, now: number) => ledger.read(Buffer.from(text), now) }
}
const answer = (address: string, sequence: number, ms = 0.5) =>
  `${address} : [${sequence}], 64 bytes, ${ms} ms (0.1 avg, 0% loss)\n`
const timeout = (address: string, sequence: number) =>
  `${address} : [${sequence}], timed out (0.1 avg, 20% loss)\n`

test('every probe counts once, for any chunks and any order of the lines', () => {
  const shuffled = fc.shuffledSubarray(
    Array.from({ length: 12 }, (_, sequence) => sequence),
    { minLength: 12 },
  )
  fc.assert(
    fc.property(shuffled, fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (order, cuts) => {
      const { ledger, reported } = ledgerOf(['10.0.0.1', '10.0.0.2', '10.0.0.3'])
      const text = order
        .map(
          (sequence) =>
            answer('10.0.0.1', sequence) + timeout('10.0.0.2', sequence) + answer('10.0.0.3', sequence),
        )
        .join('')
      for (let at = 0, turn = 0; at < text.length; turn++) {
        const length = cuts[turn % cuts.length]!
        ledger.read(Buffer.from(text.slice(at, at + length)), 1)
        at += length
      }
      for (const index of [0, 1, 2]) {
        const own = reported.filter((one) => one.index === index)
        expect(own).toHaveLength(12)
        for (const { rtt } of own) expect(rtt).toBe(index === 1 ? undefined : 0.0005)
      }
      expect(ledger.unknown).toEqual([])
    }),
  )
})

test('after a cut, old losses are reported before the first new answer', () => {
  const { reported, read } = ledgerOf(['10.0.0.1'], { interval: { nanos: 1e8 } })
  for (let sequence = 0; sequence < 3; sequence++) read(answer('10.0.0.1', sequence), 0.1 * sequence)
  // Five probes were open when the path recovered; fping times them out while new ones are answered.
  for (let sequence = 3; sequence < 8; sequence++) {
    read(answer('10.0.0.1', sequence + 5, sequence), 0.1 * (sequence + 5))
    read(timeout('10.0.0.1', sequence), 0.1 * (sequence + 5))
  }
  const results = reported.map(({ rtt }) => (rtt === undefined ? '-' : Math.round(rtt * 1000)))
  expect(results).toEqual([1, 1, 1, '-', '-', '-', '-', '-', 3, 4, 5, 6, 7])
})

test('a probe that fping does not report is lost after its timeout, if fping sent others later', () => {
  const { ledger, reported, read } = ledgerOf(['10.0.0.1', '10.0.0.2'])
  for (let second = 0; second < 3; second++)
    read(answer('10.0.0.1', second) + answer('10.0.0.2', second), 100 + second)
  reported.length = 0
  for (let second = 3; second < 6; second++) {
    read(answer('10.0.0.1', second), 100 + second)
    ledger.expire(100 + second + 0.1)
  }
  // Those of 103 and 104 had 0.5 s to be answered and 0.5 s to be reported; that of 105 may still be.
  expect(reported.filter(({ index }) => index === 1)).toEqual([
    { index: 1, rtt: undefined, reason: NOT_SENT },
    { index: 1, rtt: undefined, reason: NOT_SENT },
  ])
  expect(reported.filter(({ index }) => index === 0)).toHaveLength(3)
})

test('a target that fping never reports is lost too', () => {
  const { ledger, reported, read } = ledgerOf(['10.0.0.1', '10.0.0.2'])
  for (let second = 0; second < 8; second++) {
    read(answer('10.0.0.1', second), 100 + second)
    ledger.expire(100 + second)
  }
  expect(reported.filter(({ index }) => index === 1).length).toBeGreaterThanOrEqual(4)
})

test('when fping reports nothing at all, no target has a loss', () => {
  const { ledger, reported, read } = ledgerOf(['10.0.0.1', '10.0.0.2'])
  read(answer('10.0.0.1', 0) + answer('10.0.0.2', 0), 100)
  for (let second = 1; second < 20; second++) ledger.expire(100 + second)
  expect(reported.filter(({ rtt }) => rtt === undefined)).toEqual([])
})

test('an fping that was stopped and catches up slowly causes no loss', () => {
  const { ledger, reported, read } = ledgerOf(['10.0.0.1', '10.0.0.2'], { interval: { nanos: 5e7 } })
  const sends = (sequence: number, at: number) => {
    read(answer('10.0.0.1', sequence), at)
    read(answer('10.0.0.2', sequence), at + 0.02)
    if (sequence % 2 === 0) ledger.expire(at + 0.03)
  }
  for (let sequence = 0; sequence < 80; sequence++) sends(sequence, 100 + 0.05 * sequence)
  // Nothing for 3 s. Then each round takes five sixths of its time until fping has caught up, as observed.
  for (let read = 0; read < 30; read++) ledger.expire(104 + 0.1 * read)
  for (let sequence = 80; sequence < 400; sequence++) sends(sequence, 107 + 0.042 * (sequence - 80))
  expect(reported.filter(({ rtt }) => rtt === undefined)).toEqual([])
  expect(reported).toHaveLength(800)
})

test('a loss that is read while uncertain is not reported, also when its turn comes later', () => {
  const { ledger, reported, read } = ledgerOf(['10.0.0.1'], { interval: { nanos: 1e8 } }, (now) => now < 101)
  read(answer('10.0.0.1', 0), 100)
  // Probe 1 was never sent, which is known only after its timeout.
  read(timeout('10.0.0.1', 2) + timeout('10.0.0.1', 3), 100.9)
  read(timeout('10.0.0.1', 4), 101.1)
  for (let sequence = 5; sequence < 15; sequence++) read(answer('10.0.0.1', sequence), 100 + sequence / 10)
  ledger.expire(101.6)
  expect(reported.filter(({ rtt }) => rtt === undefined)).toEqual([
    { index: 0, rtt: undefined, reason: NOT_SENT },
    { index: 0, rtt: undefined, reason: '' },
  ])
  expect(reported.filter(({ rtt }) => rtt !== undefined)).toHaveLength(11)
})

test('a network error is the reason of the next loss only', () => {
  const { ledger, reported, read } = ledgerOf(['10.0.0.1'])
  ledger.readError('ICMP Host Unreachable from 10.0.0.9 for ICMP Echo sent to 10.0.0.1', 1)
  read(timeout('10.0.0.1', 0) + timeout('10.0.0.1', 1), 1)
  expect(reported.map(({ reason }) => reason)).toEqual(['ICMP Host Unreachable from 10.0.0.9', ''])
})

test('unknown lines are kept for the error message', () => {
  const { ledger, read } = ledgerOf(['10.0.0.1'])
  read('Segmentation fault\n', 1)
  read('x'.repeat(5000), 1)
  expect(ledger.unknown).toHaveLength(2)
})

test('an answer without a usable time is no loss, and no other value', () => {
  const { reported, read } = ledgerOf(['10.0.0.1'])
  read(answer('10.0.0.1', 0) + answer('10.0.0.1', 1, -0.011) + answer('10.0.0.1', 2), 2)
  expect(reported.map(({ rtt }) => rtt)).toEqual([0.0005, UNUSABLE_RTT, 0.0005])
})

test('a number far beyond the others costs no time and counts no loss', () => {
  const { ledger, reported, read } = ledgerOf(['10.0.0.1'])
  read(answer('10.0.0.1', 0), 0)
  const startedAt = performance.now()
  read(answer('10.0.0.1', 2_000_000_000), 1)
  ledger.expire(2)
  expect(performance.now() - startedAt).toBeLessThan(50)
  expect(reported).toHaveLength(1)
  expect(ledger.unknown).toEqual(['10.0.0.1 : [2000000000]'])
})
