import { describe, expect, test } from 'vitest'
import { MeshBatch, type MeshWindow } from '#proto/meshgauge/agent/v1/ping.ts'
import { toDuration, toTimestamp } from '../../../lib/protobuf-time.ts'
import { createIngest } from './ingest.ts'
import { createLossRecord } from './loss-record.ts'
import { createPaths } from './paths.ts'

const nothing = () => undefined

const WINDOW: MeshWindow = {
  targetId: 7,
  sentCount: 10,
  receivedCount: 9,
  trailingLostCount: 0,
  rttMin: toDuration(0.001),
  rttMax: toDuration(0.002),
  rttSum: toDuration(0.012),
  jitter: toDuration(0.0001),
  histogramOffset: -300,
  histogramCounts: [4, 5],
  reason: '',
}

/** Windows that the collector takes for its store from one agent. */
const takenOf = (window: MeshWindow): number => {
  const ingest = createIngest({
    losses: createLossRecord(),
    paths: createPaths({ random: Math.random, initialState: nothing }),
    runLoad: { overlaps: () => false },
    isKnown: () => true,
    onChange: nothing,
    onMeasured: nothing,
  })
  const times = { startTime: toTimestamp(new Date(1_000_000)), endTime: toTimestamp(new Date(1_010_000)) }
  return ingest.batch('a', MeshBatch.fromPartial({ windows: [{ ...times, windows: [window] }] }), 0).length
}

describe('windows of an agent', () => {
  test('a possible one is taken', () => {
    expect(takenOf(WINDOW)).toBe(1)
    expect(takenOf({ ...WINDOW, receivedCount: 0, histogramCounts: [], rttSum: toDuration(0) })).toBe(1)
  })

  test.each<[name: string, change: Partial<MeshWindow>]>([
    ['more answers than probes', { receivedCount: 11, histogramCounts: [11] }],
    ['no probes', { sentCount: 0, receivedCount: 0, histogramCounts: [] }],
    ['more probes than an hour has', { sentCount: 2 ** 32 - 1 }],
    ['a negative round-trip time', { rttMin: toDuration(-0.001) }],
    ['a round-trip time that is not a number', { rttSum: { seconds: Number.NaN, nanos: 0 } }],
    ['a sum of round-trip times of years', { rttSum: { seconds: 2 ** 53, nanos: 0 } }],
    ['a round-trip time of years', { rttMax: { seconds: 2 ** 40, nanos: 0 } }],
    ['a minimum above the maximum', { rttMin: toDuration(0.003) }],
    ['a negative jitter', { jitter: toDuration(-1) }],
    ['a bucket that does not exist', { histogramOffset: 2 ** 30 }],
    ['a histogram of more answers than were received', { histogramCounts: [2 ** 32 - 1] }],
  ])('%s: it is ignored', (_, change) => {
    expect(takenOf({ ...WINDOW, ...change })).toBe(0)
  })
})
