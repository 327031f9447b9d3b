import { describe, expect, test } from 'vitest'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { createHistogram } from '../../lib/histogram.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import type { PairResult } from '../dispatch/pair-result.ts'
import { summarize } from './summary.ts'
import { failedResult, iperfResult, meshResults, pingResult } from './testing/model.ts'

/** A ping result with round-trip times in seconds. */
const pingOf = (times: readonly number[], lost: number): PairResult => {
  const result = pingResult(0, 1, lost, times.length + lost)
  const histogram = createHistogram()
  for (const time of times) histogram.record(time)
  if (result.values?.kind !== 'ping') throw new Error('not a ping')
  result.values.histogram = histogram.toMessage()
  const bound = (seconds: number) => toDuration(seconds)
  result.values.rtt = {
    min: bound(Math.min(...times)),
    avg: undefined,
    p50: bound(times[0]!),
    p99: undefined,
    max: bound(Math.max(...times)),
    jitter: undefined,
  }
  return result
}

describe('summarize', () => {
  test('rates of measured pairs, and counts of the others', () => {
    const rates = [9e9, 9e9, 10e9, 11e9]
    const results = [
      ...rates.map((rate, index) => iperfResult(index, index + 1, rate)),
      failedResult(5, 6),
      { ...iperfResult(6, 7, 1), outcome: Outcome.OUTCOME_INVALID },
      { ...failedResult(7, 8), outcome: Outcome.OUTCOME_NOT_RUN },
    ]
    expect(summarize(results)).toMatchObject({
      interfaces: [
        {
          interface: 'net1',
          measuredCount: 4,
          bitsPerSecond: { min: 9e9, mean: 9.75e9, median: 9.5e9, max: 11e9 },
          aggregateBitsPerSecond: 39e9,
          rtt: undefined,
          worst: [],
        },
      ],
      measuredCount: 4,
      failedCount: 1,
      invalidCount: 1,
      notRunCount: 1,
    })
  })

  test('loss counts all probes, also of unreachable pairs; round-trip times come from merged histograms', () => {
    const results = [pingOf([0.001, 0.001, 0.003], 1), pingOf([0.002], 0), pingResult(1, 2, 5, 5)]
    const [summary] = summarize(results).interfaces
    expect(summary!.lossRatio).toBeCloseTo(6 / 10)
    expect(summary!.bitsPerSecond).toBeUndefined()
    const { minSeconds, avgSeconds, p50Seconds, p99Seconds, maxSeconds } = summary!.rtt!
    expect([minSeconds, maxSeconds]).toEqual([0.001, 0.003])
    expect(avgSeconds).toBeCloseTo(0.00175)
    expect(p50Seconds / 0.001).toBeCloseTo(1, 1)
    expect(p99Seconds / 0.003).toBeCloseTo(1, 1)
  })

  test('lists at most five of the marked pairs, the worst first, and counts all of them', () => {
    const results = meshResults(7, (from, to) =>
      iperfResult(from, to, from === 2 ? 1e6 * (to + 1) : 941e6, { isMarked: from === 2 }),
    )
    const [summary] = summarize(results).interfaces
    expect(summary!.worst.map(({ source, destination }) => `${source.node} ${destination.node}`)).toEqual([
      'node-3 node-1',
      'node-3 node-2',
      'node-3 node-4',
      'node-3 node-5',
      'node-3 node-6',
    ])
    expect(summary!.markedCount).toBe(6)
    expect(
      summarize(meshResults(6, (from, to) => iperfResult(from, to, 941e6))).interfaces[0]!.worst,
    ).toEqual([])
  })

  test('has one entry per interface name, and none without results', () => {
    const other = { ...iperfResult(0, 1, 1e9), source: { node: 'a', interface: 'net0', address: '' } }
    expect(summarize([iperfResult(0, 1, 1e9), other]).interfaces.map((one) => one.interface)).toEqual([
      'net0',
      'net1',
    ])
    expect(summarize([])).toMatchObject({
      interfaces: [],
      measuredCount: 0,
      failedCount: 0,
      invalidCount: 0,
      notRunCount: 0,
    })
  })
})
