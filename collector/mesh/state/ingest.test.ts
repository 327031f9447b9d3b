import { describe, expect, test } from 'vitest'
import { MeshBatch, type MeshWindow } from '#proto/meshgauge/agent/v1/ping.ts'
import { toTimestamp } from '../../../lib/protobuf-time.ts'
import { createIngest } from './ingest.ts'
import { createPaths } from './paths.ts'

const nothing = () => undefined

const WINDOW: MeshWindow = {
  targetId: 7,
  sentCount: 10,
  receivedCount: 9,
  trailingLostCount: 0,
  rttMinSeconds: 0.001,
  rttMaxSeconds: 0.002,
  rttSumSeconds: 0.012,
  jitterSeconds: 0.0001,
  histogramOffset: -300,
  histogramCounts: [4, 5],
  reason: '',
}

/** Windows that the collector takes for its store from one agent. */
const takenOf = (window: MeshWindow): number => {
  const ingest = createIngest({
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
    expect(takenOf({ ...WINDOW, receivedCount: 0, histogramCounts: [], rttSumSeconds: 0 })).toBe(1)
  })

  test.each<[name: string, change: Partial<MeshWindow>]>([
    ['more answers than probes', { receivedCount: 11, histogramCounts: [11] }],
    ['no probes', { sentCount: 0, receivedCount: 0, histogramCounts: [] }],
    ['more probes than an hour has', { sentCount: 2 ** 32 - 1 }],
    ['a negative round-trip time', { rttMinSeconds: -0.001 }],
    ['a round-trip time that is not a number', { rttSumSeconds: Number.NaN }],
    ['a sum that no whole number of nanoseconds holds', { rttSumSeconds: 1e300 }],
    ['an endless round-trip time', { rttMaxSeconds: Number.POSITIVE_INFINITY }],
    ['a minimum above the maximum', { rttMinSeconds: 0.003 }],
    ['a negative jitter', { jitterSeconds: -1 }],
    ['a bucket that does not exist', { histogramOffset: 2 ** 30 }],
    ['a histogram of more answers than were received', { histogramCounts: [2 ** 32 - 1] }],
  ])('%s: it is ignored', (_, change) => {
    expect(takenOf({ ...WINDOW, ...change })).toBe(0)
  })
})
