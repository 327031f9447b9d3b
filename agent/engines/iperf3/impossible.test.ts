/**
 * Figures that iperf3 cannot have measured, in recordings of ours that are changed as in public bug reports of esnet/iperf:
 * 725 (retransmits), 613 (jitter, -nan), 716 and 1866 (datagrams).
 */

import { describe, expect, test } from 'vitest'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { linesOf } from '../testing/chunked.ts'
import { resultOf, testOutcomeOf } from './result.ts'
import { bytesOf, modeOf, observe, planOf } from './testing/recordings.ts'

const ended = {
  exitCode: 0,
  signal: '',
  stderrTail: '',
  timedOut: false,
  aborted: false,
  flooded: false,
  notFound: false,
  reason: '',
}

/** The result and the samples of a recording, of which the pattern is replaced in every line, or in the last one. */
const judge = (version: string, name: string, pattern: RegExp, replacement: string, where = 'all') => {
  const all = linesOf(bytesOf(version, name))
  const change = (line: string) => line.replaceAll(pattern, replacement)
  const lines = all.map((line, index) => (where === 'all' || index === all.length - 1 ? change(line) : line))
  expect(lines).not.toEqual(all)
  const { observed, samples } = observe(version, name, lines)
  const result = resultOf(testOutcomeOf(observed, ended, planOf(name), modeOf(version)), planOf(name))
  return { result, samples, observed }
}

describe('JSON', () => {
  test.each(['-1', '4294967294', '4294967295', 'null', '1e400'])('retransmits %s are absent', (value) => {
    const { result, samples } = judge('3.18', 'tcp', /"retransmits":\d+/g, `"retransmits":${value}`)
    expect(result.outcome).toBe(Outcome.OUTCOME_MEASURED)
    expect(result.retransmitCount).toBeUndefined()
    expect(samples.length).toBeGreaterThan(0)
    expect(samples.map(({ retransmits }) => retransmits)).toEqual(samples.map(() => undefined))
  })

  test.each(['null', '-nan', 'nan', 'inf', '-611273000', '6.11273e+08'])(
    'with jitter_ms %s the rate remains',
    (value) => {
      const { result, observed } = judge('3.18', 'udp', /"jitter_ms":[\d.e-]+/g, `"jitter_ms":${value}`)
      expect(result).toMatchObject({ outcome: Outcome.OUTCOME_MEASURED, reason: '' })
      expect(result.bitsPerSecond).toBeGreaterThan(9_000_000)
      expect(result.jitter).toBeUndefined()
      expect(observed.unknown).toEqual([])
    },
  )

  test.each([
    ['30 of 10', '"lost_packets":30', '"packets":10'],
    ['-5 of 10', '"lost_packets":-5', '"packets":10'],
    ['0 of 0', '"lost_packets":0', '"packets":0'],
    ['0 of -10', '"lost_packets":0', '"packets":-10'],
  ])('a loss of %s is absent', (_, lost, packets) => {
    const { result } = judge('3.18', 'udp', /"lost_packets":\d+,"packets":\d+/g, `${lost},${packets}`)
    expect(result).toMatchObject({ outcome: Outcome.OUTCOME_MEASURED, lossRatio: undefined })
  })

  test('a loss that the bytes of both ends contradict is absent', () => {
    const loss = '"lost_packets":364936,"packets":367040'
    const { result } = judge('3.18', 'udp', /"lost_packets":\d+,"packets":\d+/g, loss)
    expect(result.bitsPerSecond).toBeGreaterThan(0.9 * result.senderBitsPerSecond!)
    expect(result).toMatchObject({ outcome: Outcome.OUTCOME_MEASURED, lossRatio: undefined })
  })

  test('a CPU time of -3.2 % is absent', () => {
    const { result } = judge('3.18', 'udp', /"host_total":[\d.e-]+/g, '"host_total":-3.2')
    expect(result.senderCpuRatio).toBeUndefined()
    expect(result.receiverCpuRatio).toBeGreaterThan(0)
  })

  test.each([
    ['a negative rate', /"bits_per_second":[\d.e]+/g, '"bits_per_second":-1'],
    ['a rate of 10^20 bit/s', /"bits_per_second":[\d.e]+/g, '"bits_per_second":1e20'],
    ['ten times the rate of its bytes', /"bits_per_second":(\d+)/g, '"bits_per_second":$10'],
    ['bytes of null', /"bytes":\d+/g, '"bytes":null'],
    ['an end before its start', /"end":[\d.e-]+/g, '"end":-4'],
  ])('%s makes the result invalid and is not shown', (_, pattern, replacement) => {
    const { result } = judge('3.18', 'tcp', pattern, replacement, 'last')
    expect(result).toMatchObject({
      outcome: Outcome.OUTCOME_INVALID,
      bitsPerSecond: undefined,
      senderBitsPerSecond: undefined,
      receivedBytes: undefined,
      sentBytes: undefined,
    })
    expect(result.reason).toMatch(/^iperf3 reported impossible figures: /)
  })
})

describe('text', () => {
  test.each(['-1', '4294967294'])('retransmits %s are absent', (value) => {
    const { result, samples } = judge('3.12', 'tcp', /(Kbits\/sec +)\d+/g, `$1${value}`)
    expect(result).toMatchObject({ outcome: Outcome.OUTCOME_MEASURED, retransmitCount: undefined })
    expect(samples.map(({ retransmits }) => retransmits)).toEqual(samples.map(() => undefined))
  })

  test.each(['-nan', '-611273000', '611273000'])('with a jitter of %s the rate remains', (value) => {
    const { result, observed } = judge('3.12', 'udp', /[\d.]+ ms/g, `${value} ms`)
    expect(result.bitsPerSecond).toBeGreaterThan(9_000_000)
    expect([result.outcome, result.jitter]).toEqual([Outcome.OUTCOME_MEASURED, undefined])
    expect(observed.unknown).toEqual([])
  })

  test.each(['30/10', '-5/10', '0/0', '0/-10'])('a loss of %s is absent', (value) => {
    const { result } = judge('3.12', 'udp', /\d+\/\d+ \(/g, `${value} (`)
    expect(result).toMatchObject({ outcome: Outcome.OUTCOME_MEASURED, lossRatio: undefined })
  })

  test('a CPU time of -3.2 % is absent', () => {
    const { result } = judge('3.12', 'tcp', /(local\/sender )[\d.]+%/g, '$1-3.2%')
    expect(result.senderCpuRatio).toBeUndefined()
    expect(result.receiverCpuRatio).toBeGreaterThan(0)
  })

  test.each([
    ['a negative rate', '-1'],
    ['ten times the rate of its bytes', '$10'],
    ['no number', '-nan'],
  ])('%s makes the result invalid', (_, value) => {
    const { result } = judge('3.12', 'tcp', /([\d.]+)(?= Kbits)/g, value)
    expect(result).toMatchObject({ outcome: Outcome.OUTCOME_INVALID, bitsPerSecond: undefined })
    expect(result.reason).toMatch(/^iperf3 reported impossible figures: /)
  })
})
