import { describe, expect, test } from 'vitest'
import { IperfResult, Protocol } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { createIperfTest } from '../plan/effective-run-spec.ts'
import { createPairResult, type PairResult } from './pair-result.ts'
import { withPlausibility } from './plausibility.ts'

const SECONDS = 2
const bytesOf = (bitsPerSecond: number) => (bitsPerSecond * SECONDS) / 8

const resultOf = (sent: number, received: number, more: Partial<PairResult> = {}): PairResult =>
  createPairResult({
    source: { node: 'h1', interface: 'net1', address: '' },
    destination: { node: 'h4', interface: 'net1', address: '' },
    outcome: Outcome.OUTCOME_MEASURED,
    values: {
      kind: 'iperf',
      ...IperfResult.fromPartial({
        outcome: Outcome.OUTCOME_MEASURED,
        bitsPerSecond: received,
        senderBitsPerSecond: sent,
        sentBytes: bytesOf(sent),
        receivedBytes: bytesOf(received),
      }),
    },
    ...more,
  })

const tcp = createIperfTest({ durationSeconds: SECONDS })
const udp = createIperfTest({ durationSeconds: SECONDS, protocol: Protocol.PROTOCOL_UDP })
const isInvalid = (result: PairResult): boolean => result.outcome === Outcome.OUTCOME_INVALID

describe('the counts of both ends', () => {
  test('that agree are kept as they are', () => {
    const result = resultOf(58e6, 57e6)
    expect(withPlausibility(result, tcp)).toBe(result)
  })

  test('more than was sent cannot be received', () => {
    expect(isInvalid(withPlausibility(resultOf(50e6, 57e6), tcp))).toBe(true)
    expect(isInvalid(withPlausibility(resultOf(50e6, 57e6), udp))).toBe(true)
    expect(isInvalid(withPlausibility(resultOf(53e6, 57e6), tcp))).toBe(false)
  })

  test('TCP cannot lose more than the buffers hold, UDP can', () => {
    expect(isInvalid(withPlausibility(resultOf(573e6, 57e6), tcp))).toBe(true)
    expect(isInvalid(withPlausibility(resultOf(573e6, 57e6), udp))).toBe(false)
    // 2.5 MB in the buffers are 60 % of what a slow link carries in 2 s.
    expect(isInvalid(withPlausibility(resultOf(14e6, 4.8e6), tcp))).toBe(false)
  })
})

describe('the link speed', () => {
  const speeds = { sourceSpeedBitsPerSecond: 1e9, destinationSpeedBitsPerSecond: 100e6 }

  test('of the slower end is the limit', () => {
    expect(withPlausibility(resultOf(573e6, 573e6, speeds), tcp)).toMatchObject({
      outcome: Outcome.OUTCOME_INVALID,
      reason: 'iperf3: 573 Mbit/s is more than the link speed of 100 Mbit/s',
    })
    expect(isInvalid(withPlausibility(resultOf(101e6, 101e6, speeds), tcp))).toBe(false)
  })

  test('that is unknown limits nothing', () => {
    expect(isInvalid(withPlausibility(resultOf(90e9, 90e9), tcp))).toBe(false)
  })
})

test('a pair that was not measured stays as it is', () => {
  const failed = resultOf(0, 0, { outcome: Outcome.OUTCOME_UNREACHABLE, reason: 'no route' })
  expect(withPlausibility(failed, tcp)).toBe(failed)
})
