import { describe, expect, test } from 'vitest'
import { MeshEvent, PathState, Resolution } from '#proto/meshgauge/collector/v1/mesh.ts'
import { toTimestamp } from '../../../lib/protobuf-time.ts'
import { pathKey } from '../../inventory/keys.ts'
import type { Store } from '../store.ts'
import type { PathKey, Window } from '../windows.ts'
import { NOTHING_RECEIVED } from './expected-windows.ts'
import { START, sampleId, sampleResult, sampleRun } from './samples.ts'

const T = Math.floor(START.getTime() / 3_600_000) * 3_600_000
const { RESOLUTION_RAW, RESOLUTION_UNSPECIFIED } = Resolution
const keyOf = (index: number): PathKey => ({
  source: `node-${index}`,
  destination: `node-${index + 1}`,
  interface: 'net0',
})

/** A window of 10 s with ten probes, one of them lost, that begins `seconds` after the full hour. */
export const sampleWindow = (path: number, seconds: number, fields: Partial<Window> = {}): Window => ({
  path,
  startMs: T + seconds * 1000,
  endMs: T + seconds * 1000 + 10_000,
  sentCount: 10,
  receivedCount: 9,
  rttMinSeconds: 0.000_1,
  rttMaxSeconds: 0.000_25,
  rttSumSeconds: 0.001_5,
  jitterSeconds: 0.000_02,
  histogramOffset: -426,
  histogramCounts: [4, 0, 0, 3, 0, 1, 1],
  ...fields,
})

const nothingReceived = { receivedCount: 0, ...NOTHING_RECEIVED }

const raw = (store: Store, path: number, from = 0, to = 3600) =>
  store.history(path, T + from * 1000, T + to * 1000, RESOLUTION_RAW).windows

const describeWindows = (store: () => Store): void => {
  test('a path always has the same number, and all paths are listed', () => {
    const [a, b] = [store().pathId(keyOf(1)), store().pathId(keyOf(2))]
    expect(a).not.toBe(b)
    expect(store().pathId({ ...keyOf(1) })).toBe(a)
    const reversed = { source: 'node-2', destination: 'node-1', interface: 'net0' }
    expect([a, b]).not.toContain(store().pathId(reversed))
    expect(store().paths().get(a)).toEqual(keyOf(1))
    expect([...store().paths().values()]).toEqual([keyOf(1), keyOf(2), reversed])
  })

  test('a history returns the windows of its path as they were stored, oldest first', () => {
    const [a, b] = [store().pathId(keyOf(1)), store().pathId(keyOf(2))]
    const dead = sampleWindow(a, 20, nothingReceived)
    const wide = sampleWindow(a, 30, {
      startMs: T + 30_017,
      endMs: T + 31_016,
      sentCount: 1_000_000,
      receivedCount: 1_000_000,
      rttMinSeconds: 0.000_000_7,
      rttMaxSeconds: 3599.123_456_789,
      rttSumSeconds: 54_321.000_000_001,
      histogramOffset: -638,
      histogramCounts: [999_990, ...new Array<number>(400).fill(0), 10],
    })
    store().putWindows([dead, sampleWindow(b, 0), sampleWindow(a, 0)], [])
    store().putWindows([wide, sampleWindow(a, 10)], [])
    expect(raw(store(), a)).toEqual([sampleWindow(a, 0), sampleWindow(a, 10), dead, wide])
    expect(raw(store(), b)).toEqual([sampleWindow(b, 0)])
    expect(raw(store(), store().pathId(keyOf(3)))).toEqual([])
    expect(store().history(a, T, T + 60_000, RESOLUTION_UNSPECIFIED)).toEqual({
      resolution: RESOLUTION_RAW,
      windows: raw(store(), a),
    })
  })

  test('a history contains the windows that overlap the interval, and none that only touch it', () => {
    const path = store().pathId(keyOf(1))
    store().putWindows(
      [0, 10, 20, 30, 40, 60].map((seconds) => sampleWindow(path, seconds)),
      [],
    )
    const starts = (from: number, to: number) =>
      raw(store(), path, from, to).map(({ startMs }) => (startMs - T) / 1000)
    expect(starts(10, 30)).toEqual([10, 20])
    expect(starts(19, 21)).toEqual([10, 20])
    expect(starts(50, 60)).toEqual([])
    expect(starts(65, 66)).toEqual([60])
  })

  test('a window that equals a stored one is ignored, in the same or a later batch', () => {
    const path = store().pathId(keyOf(1))
    store().putWindows([sampleWindow(path, 0), sampleWindow(path, 0)], [])
    store().putWindows([sampleWindow(path, 10), sampleWindow(path, 0)], [])
    expect(raw(store(), path)).toEqual([sampleWindow(path, 0), sampleWindow(path, 10)])
  })

  test('different windows of a path may have the same start, because the wall clock can be set back', () => {
    const path = store().pathId(keyOf(1))
    const later = sampleWindow(path, 0, { rttSumSeconds: 0.001_500_001 })
    const lost = sampleWindow(path, 0, nothingReceived)
    store().putWindows([sampleWindow(path, 0)], [])
    store().putWindows([later, lost], [])
    store().putWindows([lost, sampleWindow(path, 0), later], [])
    expect(raw(store(), path)).toEqual([sampleWindow(path, 0), later, lost])
  })

  test('an aggregate merges the interval into one window per path', async () => {
    const [a, b] = [store().pathId(keyOf(1)), store().pathId(keyOf(2))]
    store().putWindows(
      [
        sampleWindow(a, 0),
        sampleWindow(a, 10, { ...nothingReceived, sentCount: 5 }),
        sampleWindow(a, 20, { rttMinSeconds: 0.000_05, jitterSeconds: 0.000_03, histogramOffset: -428 }),
        sampleWindow(a, 60, { sentCount: 1000 }),
        sampleWindow(b, 50),
      ],
      [],
    )
    const merged = await store().aggregate(T, T + 60_000)
    expect([...merged.keys()].sort((x, y) => x - y)).toEqual([a, b])
    expect(merged.get(b)).toEqual(sampleWindow(b, 50))
    expect(merged.get(a)).toEqual({
      path: a,
      startMs: T,
      endMs: T + 30_000,
      sentCount: 25,
      receivedCount: 18,
      rttMinSeconds: 0.000_05,
      rttMaxSeconds: 0.000_25,
      rttSumSeconds: 0.003,
      jitterSeconds: 0.000_025,
      histogramOffset: -428,
      histogramCounts: [4, 0, 4, 3, 0, 4, 1, 1, 1],
    })
    expect(await store().aggregate(T + 100_000, T + 160_000)).toEqual(new Map())
  })
}

export const sampleEvent = (seconds: number, source = 'node-1', destination = 'node-2'): MeshEvent =>
  MeshEvent.fromPartial({
    time: toTimestamp(new Date(T + seconds * 1000)),
    seenTime: toTimestamp(new Date(T + seconds * 1000 + 250)),
    source: { node: source, interface: 'net0', address: '10.0.0.1' },
    destination: { node: destination, interface: 'net0', address: '10.0.0.2' },
    before: PathState.PATH_STATE_UP,
    state: PathState.PATH_STATE_DOWN,
    reason: 'no answer to 3 probes',
  } as Parameters<typeof MeshEvent.fromPartial>[0])

const describeMeshEvents = (store: () => Store): void => {
  const all = { fromMs: T, toMs: T + 3_600_000 }

  test('events are listed newest first, page by page, and by the node at either end', () => {
    const events = [30, 10, 20, 20, 40].map((seconds, index) => sampleEvent(seconds, `node-${index}`, 'far'))
    store().putWindows([], events.slice(0, 3))
    store().putWindows([], events.slice(3))
    const newestFirst = [4, 0, 3, 2, 1].map((index) => events[index]!)
    expect(store().meshEvents(all, { size: 0, token: '' }).events).toEqual(newestFirst)
    for (const node of ['far', undefined]) {
      const seen: MeshEvent[] = []
      for (let token: string | undefined = ''; token !== undefined; ) {
        const page = store().meshEvents({ ...all, ...(node ? { node } : {}) }, { size: 2, token })
        seen.push(...page.events)
        token = page.nextPageToken || undefined
      }
      expect(seen).toEqual(newestFirst)
    }
    expect(store().meshEvents({ ...all, node: 'node-1' }, { size: 0, token: '' }).events).toEqual([events[1]])
    expect(
      store().meshEvents({ fromMs: T + 20_000, toMs: T + 30_000 }, { size: 0, token: '' }).events,
    ).toEqual([events[3], events[2]])
  })

  test('all events are listed, the last written first, page by page', () => {
    const events = [30, 10, 20].map((seconds) => sampleEvent(seconds))
    store().putWindows([], events)
    const written = [...events].reverse()
    expect(store().writtenMeshEvents({ size: 0, token: '' }).events).toEqual(written)
    const first = store().writtenMeshEvents({ size: 2, token: '' })
    const rest = store().writtenMeshEvents({ size: 0, token: first.nextPageToken })
    expect([first.events, rest.events]).toEqual([written.slice(0, 2), written.slice(2)])
  })

  test('a token of another list is refused', () => {
    expect(() => store().meshEvents(all, { size: 0, token: 'dTE=' })).toThrow(
      expect.objectContaining({ reason: 'SPEC_INVALID' }),
    )
  })
}

const describeCoverage = (store: () => Store): void => {
  const pair = (index: number) => pathKey(keyOf(index))

  test('a pair has the time of its last measurement per test, and an earlier one does not change it', () => {
    const run = sampleRun({ id: sampleId(START) })
    store().createRun(run)
    expect([...store().coverage('iperf')]).toEqual([])
    store().putResults(run.id, [sampleResult(2), sampleResult(1, { outcome: 2, values: undefined })])
    store().putResults(run.id, [sampleResult(2, { startTime: undefined, endTime: toTimestamp(START) })])
    store().putResults(run.id, [sampleResult(3)])
    const measured = new Map([
      [pair(2), START.getTime() + 2000],
      [pair(3), START.getTime() + 3000],
    ])
    expect(new Map(store().coverage('iperf'))).toEqual(measured)
    expect([...store().coverage('ping')]).toEqual([])
  })

  test('measurements without a run are added, and all of them are returned across pages', () => {
    const measured = new Map(Array.from({ length: 4_100 }, (_, index) => [pair(index), 1000 * index]))
    store().putCoverage('ping', measured)
    store().putCoverage('ping', [
      [pair(2), 1500],
      [pair(3), 5000],
    ])
    expect(new Map(store().coverage('ping'))).toEqual(measured.set(pair(3), 5000))
    expect([...store().coverage('iperf')]).toEqual([])
  })
}

const describeDocuments = (store: () => Store): void => {
  test('documents are returned by kind and name until they are deleted', () => {
    const [one, two] = [new Uint8Array([1, 2, 3]), new Uint8Array()]
    store().putDocuments([
      { kind: 'schedule', name: 'nightly', body: one },
      { kind: 'schedule', name: 'light', body: one },
      { kind: 'other', name: 'nightly', body: one },
    ])
    store().putDocuments([
      { kind: 'other', name: 'light', body: one },
      { kind: 'schedule', name: 'light', body: two },
    ])
    expect(store().documents('schedule')).toEqual(
      new Map([
        ['light', two],
        ['nightly', one],
      ]),
    )
    store().deleteDocument('schedule', 'nightly')
    store().deleteDocument('schedule', 'never there')
    expect([...store().documents('schedule').keys()]).toEqual(['light'])
    expect([...store().documents('other').keys()]).toEqual(['light', 'nightly'])
    expect(store().documents('unknown').size).toBe(0)
  })

  test('a store has a constant identity', () => {
    expect(store().identity()).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}$/)
    expect(store().identity()).toBe(store().identity())
  })
}

/** Tests of windows, events, coverage and documents. */
export const describeWindowStore = (store: () => Store): void => {
  describe('windows', () => describeWindows(store))
  describe('events', () => describeMeshEvents(store))
  describe('coverage', () => describeCoverage(store))
  describe('documents', () => describeDocuments(store))
}
