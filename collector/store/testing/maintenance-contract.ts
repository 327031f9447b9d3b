import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Resolution } from '#proto/meshgauge/collector/v1/mesh.ts'
import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import type { StoreLimits } from '../limits.ts'
import type { Store } from '../store.ts'
import type { Window } from '../windows.ts'
import { sampleId, sampleResult, sampleRun } from './samples.ts'
import { sampleEvent, sampleWindow } from './windows-contract.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
/** The full hour that sample windows count from. */
const T = sampleWindow(0, 0).startMs

export const LIMITS: StoreLimits = {
  retention: { raw: 2 * 3600, fiveMinutes: 86_400, oneHour: 10 * 86_400, events: 86_400, runs: 5 * 86_400 },
  maxBytes: 2 ** 30,
}

const { RESOLUTION_RAW, RESOLUTION_5_MINUTES, RESOLUTION_1_HOUR, RESOLUTION_UNSPECIFIED } = Resolution

/** Runs all maintenance that is due at a moment. */
export const maintainAll = (store: Pick<Store, 'maintain'>, atMs: number): void => {
  for (let piece = 0; store.maintain(new Date(atMs)); piece++) {
    if (piece > 100_000) throw new Error('the maintenance does not end')
  }
}

/** Consecutive windows of 10 s. */
const windowsOf = (path: number, fromHours: number, toHours: number): Window[] =>
  Array.from({ length: (toHours - fromHours) * 360 }, (_, index) =>
    sampleWindow(path, fromHours * 3600 + index * 10),
  )

const rowsOf = (store: Store) => Object.fromEntries(store.info().levels.map(({ name, rows }) => [name, rows]))

/** Tests of roll-ups and retention for every store. `open` returns an empty one with these limits. */
export const describeMaintenance = (
  name: string,
  open: (limits: StoreLimits) => { store: Store; remove: () => void },
): void => {
  describe(`${name}: maintenance`, () => {
    let store: Store
    let remove: () => void
    beforeEach(() => {
      ;({ store, remove } = open(LIMITS))
    })
    afterEach(() => {
      store.close()
      remove()
    })
    const newPath = () => store.pathId({ source: 'node-1', destination: 'node-2', interface: 'net0' })

    describeLevels(() => store, newPath)
    describeRunExpiry(() => store)

    test('an empty store has nothing to do, and reports that it is empty', () => {
      expect(store.maintain(new Date(T))).toBe(false)
      const { levels, ...info } = store.info()
      expect(info).toMatchObject({ schemaVersion: 3, maxBytes: 2 ** 30, waitingWindows: 0 })
      expect(info.lastExpireMs).toBeUndefined()
      expect(info.sizeBytes).toBeGreaterThan(0)
      expect(levels.map(({ name: level, rows, oldestMs }) => [level, rows, oldestMs])).toEqual(
        ['runs', 'raw', '5m', '1h', 'events'].map((level) => [level, 0, undefined]),
      )
    })

    test('events are counted, and removed after their retention', () => {
      store.putWindows([], [sampleEvent(0), sampleEvent(3600)])
      expect(rowsOf(store).events).toBe(2)
      maintainAll(store, T + DAY + 1)
      const { events } = store.meshEvents({ fromMs: 0, toMs: T + DAY }, { size: 0, token: '' })
      expect(events).toEqual([sampleEvent(3600)])
      expect(store.info().levels[4]).toMatchObject({ rows: 1, oldestMs: T + HOUR, newestMs: T + HOUR })
      expect(store.info().lastExpireMs).toBe(T + DAY + 1)
    })
  })
}

const describeLevels = (store: () => Store, newPath: () => number): void => {
  const starts = (path: number, resolution: Resolution, hours = 1000) =>
    store()
      .history(path, T - HOUR, T + hours * HOUR, resolution)
      .windows.map(({ startMs }) => (startMs - T) / HOUR)

  test('each level is removed after its retention, and the coarser levels keep its sums', async () => {
    const path = newPath()
    store().putWindows(windowsOf(path, 0, 4), [])
    expect(rowsOf(store())).toMatchObject({ raw: 4 * 360, '5m': 0, '1h': 0 })
    maintainAll(store(), T + 4.5 * HOUR)
    // Raw windows from 2.5 hours on are within the retention.
    expect(rowsOf(store())).toMatchObject({ raw: 1.5 * 360, '5m': 48, '1h': 4 })
    expect(starts(path, RESOLUTION_RAW)[0]).toBe(2.5)
    expect(starts(path, RESOLUTION_5_MINUTES)).toHaveLength(48)
    const total = await store().aggregate(T, T + 4 * HOUR)
    expect(total.get(path)).toMatchObject({ sentCount: 14_400, receivedCount: 12_960, startMs: T })
    maintainAll(store(), T + 26 * HOUR)
    expect(rowsOf(store())).toMatchObject({ raw: 0, '5m': 24, '1h': 4 })
    maintainAll(store(), T + 11 * DAY)
    expect(rowsOf(store())).toMatchObject({ raw: 0, '5m': 0, '1h': 0 })
    expect(await store().aggregate(T, T + 4 * HOUR)).toEqual(new Map())
  })

  test('a history without a resolution uses the finest level that covers the whole interval', () => {
    const path = newPath()
    store().putWindows(windowsOf(path, 0, 4), [])
    maintainAll(store(), T + 4.5 * HOUR)
    const picked = (fromHours: number, toHours: number) =>
      store().history(path, T + fromHours * HOUR, T + toHours * HOUR, RESOLUTION_UNSPECIFIED).resolution
    expect(picked(2.5, 4)).toBe(RESOLUTION_RAW)
    expect(picked(2.4, 4)).toBe(RESOLUTION_5_MINUTES)
    maintainAll(store(), T + 26 * HOUR)
    expect(picked(1, 4)).toBe(RESOLUTION_1_HOUR)
    expect(picked(2, 4)).toBe(RESOLUTION_5_MINUTES)
  })

  test('a history with too many windows is refused, or uses a coarser level when none is requested', () => {
    const path = newPath()
    const windows = Array.from({ length: 20_001 }, (_, index) =>
      sampleWindow(path, 0, { startMs: T + index * 100, endMs: T + index * 100 + 100 }),
    )
    store().putWindows(windows, [])
    expect(() => store().history(path, T, T + HOUR, RESOLUTION_RAW)).toThrow(
      expect.objectContaining({ reason: 'LIMIT_EXCEEDED' }),
    )
    expect(store().history(path, T, T + HOUR, RESOLUTION_UNSPECIFIED)).toMatchObject({
      resolution: RESOLUTION_5_MINUTES,
      windows: { length: 7 },
    })
  })

  test('late windows are added to existing roll-ups, and ignored after the retention of raw windows', () => {
    const path = newPath()
    store().putWindows([sampleWindow(path, 0), sampleWindow(path, 3 * 3600)], [])
    maintainAll(store(), T + 3.5 * HOUR)
    store().putWindows([sampleWindow(path, 2.4 * 3600), sampleWindow(path, 20)], [])
    maintainAll(store(), T + 3.5 * HOUR)
    expect(starts(path, RESOLUTION_RAW)).toEqual([2.4, 3])
    expect(starts(path, RESOLUTION_1_HOUR)).toEqual([0, 2.4, 3])
    expect(store().history(path, T, T + HOUR, RESOLUTION_1_HOUR).windows).toEqual([sampleWindow(path, 0)])
  })

  test('after a clock was days ahead and is correct again, windows are stored and returned as usual', async () => {
    const path = newPath()
    store().putWindows(windowsOf(path, 0, 1), [])
    maintainAll(store(), T + HOUR)
    store().putWindows([sampleWindow(path, 40 * 86_400)], [])
    maintainAll(store(), T + 40 * DAY + HOUR)
    maintainAll(store(), T + HOUR)
    store().putWindows(windowsOf(path, 1, 2), [])
    maintainAll(store(), T + 2 * HOUR)
    expect(store().history(path, T + HOUR, T + 2 * HOUR, RESOLUTION_RAW).windows).toHaveLength(360)
    expect(store().history(path, T + HOUR, T + 2 * HOUR, RESOLUTION_UNSPECIFIED).windows).toHaveLength(360)
    const hour = await store().aggregate(T + HOUR, T + 2 * HOUR)
    expect(hour.get(path)).toMatchObject({ sentCount: 3600, endMs: T + 2 * HOUR })
  })

  test('a piece of maintenance ends when it is overdue', () => {
    const keys = Array.from({ length: 50 }, (_, index) => ({
      source: `node-${index}`,
      destination: 'far',
      interface: 'net0',
    }))
    store().putWindows(
      keys.map((key) => sampleWindow(store().pathId(key), 0)),
      [],
    )
    let pieces = 0
    while (store().maintain(new Date(T + 2 * HOUR), () => true)) pieces++
    // One piece per path for sorting, for the 5-minute row and for the 1-hour row.
    expect(pieces).toBeGreaterThanOrEqual(150)
    expect(rowsOf(store())).toMatchObject({ raw: 50, '5m': 50, '1h': 50 })
  })
}

const describeRunExpiry = (store: () => Store): void => {
  test('old runs are removed with their results, except the newest 20 and unfinished ones', () => {
    const ids = Array.from({ length: 30 }, (_, index) => sampleId(new Date(T + index * 60_000)))
    for (const [index, id] of ids.entries()) {
      const state = index === 1 ? RunState.RUN_STATE_RUNNING : RunState.RUN_STATE_COMPLETED
      store().createRun(sampleRun({ id, state }))
      store().putResults(
        id,
        Array.from({ length: 120 }, (_, pair) => sampleResult(pair)),
      )
    }
    expect(store().info().levels[0]).toMatchObject({
      rows: 30,
      oldestMs: T,
      newestMs: T + 29 * 60_000,
      retentionSeconds: 5 * 86_400,
    })
    // The first 6 are 5 days old.
    maintainAll(store(), T + 5 * DAY + 5.5 * 60_000)
    const { runs } = store().listRuns({ size: 0, token: '' })
    expect(runs.map(({ id }) => id).toReversed()).toEqual([ids[1], ...ids.slice(6)])
    expect(store().allResults(ids[1]!)).toHaveLength(120)
    expect(() => store().allResults(ids[0]!)).toThrow(expect.objectContaining({ reason: 'NOT_FOUND' }))

    maintainAll(store(), T + 100 * DAY)
    expect(rowsOf(store()).runs).toBe(21)
    expect(store().listRuns({ size: 0, token: '' }).runs.at(-1)?.id).toBe(ids[1])
    expect(store().allResults('latest')).toHaveLength(120)
    expect([...store().coverage('iperf')]).toHaveLength(120)
  })
}
