import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { execaSync } from 'execa'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { HostSamples } from '#proto/meshgauge/agent/v1/host.ts'
import { Resolution } from '#proto/meshgauge/collector/v1/mesh.ts'
import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import type { StoreLimits } from '../limits.ts'
import type { Store } from '../store.ts'
import { maintainAll } from '../testing/maintenance-contract.ts'
import { sampleId, sampleResult, sampleRun } from '../testing/samples.ts'
import { sampleEvent, sampleWindow } from '../testing/windows-contract.ts'
import { openSqliteStore } from './store.ts'

const MEBIBYTE = 2 ** 20
const T = sampleWindow(0, 0).startMs
const PATHS = 10

let folder: string
let path: string
let mounted: string | undefined
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'meshgauge-size-'))
  path = join(folder, 'meshgauge.db')
})
afterEach(() => {
  // Lazily: a failed test may still have the store open.
  if (mounted) execaSync('umount', ['--lazy', mounted])
  mounted = undefined
  rmSync(folder, { recursive: true, force: true })
})

const limits = (maxMebibytes: number): StoreLimits => ({
  retention: { raw: 1e6, fiveMinutes: 1e6, oneHour: 1e6, events: 1e6, runs: 1e6 },
  maxBytes: maxMebibytes * MEBIBYTE,
})

const sizeOnDisk = (): number =>
  ['', '-wal', '-spare'].reduce(
    (sum, suffix) => sum + (statSync(`${path}${suffix}`, { throwIfNoEntry: false })?.size ?? 0),
    0,
  )

const COUNTS = Array.from({ length: 400 }, (_, index) => 1 + (index % 9))

/** Stores one window of each path at each of these seconds after the full hour. */
const put = (store: Store, ...seconds: number[]): void => {
  const windows = seconds.flatMap((second) =>
    Array.from({ length: PATHS }, (_, index) => {
      const id = store.pathId({ source: `node-${index}`, destination: 'far', interface: 'net0' })
      return sampleWindow(id, second, { histogramCounts: COUNTS })
    }),
  )
  store.putWindows(windows, [])
}

/** Stores windows of 10 s for the given minutes, and runs all due maintenance after each minute. */
const measure = (
  store: Store,
  fromMinute: number,
  toMinute: number,
  after: () => void = () => undefined,
): void => {
  for (let minute = fromMinute; minute < toMinute; minute++) {
    put(store, ...[0, 10, 20, 30, 40, 50].map((seconds) => minute * 60 + seconds))
    maintainAll(store, T + (minute + 1) * 60_000)
    after()
  }
}

const oldestMinute = (store: Store, level: number): number =>
  ((store.info().levels[level]?.oldestMs ?? Number.NaN) - T) / 60_000

describe('the maximum size', () => {
  test('is never exceeded, log included, and the oldest content of the finest level is removed first', () => {
    const store = openSqliteStore(path, limits(6))
    let largest = 0
    measure(store, 0, 600, () => {
      largest = Math.max(largest, sizeOnDisk())
    })
    expect(largest).toBeLessThanOrEqual(6 * MEBIBYTE)
    expect(largest).toBeGreaterThan(4 * MEBIBYTE)
    expect(store.info().maxBytes).toBe(6 * MEBIBYTE)
    expect(store.info().lastExpireMs).toBeGreaterThan(T + 590 * 60_000)
    expect(store.info().sizeBytes).toBeGreaterThanOrEqual(sizeOnDisk())
    expect(store.info().sizeBytes).toBeLessThan(sizeOnDisk() + MEBIBYTE / 2)
    // Most raw windows were removed; the 5-minute and 1-hour levels are complete.
    expect(oldestMinute(store, 1)).toBeGreaterThan(300)
    expect(oldestMinute(store, 1)).toBeLessThan(590)
    expect(oldestMinute(store, 2)).toBe(0)
    const history = store.history(0, T, T + 600 * 60_000, Resolution.RESOLUTION_5_MINUTES).windows
    expect(history.reduce((sum, { sentCount }) => sum + sentCount, 0)).toBe(600 * 60)
    store.close()
  }, 120_000)

  test('is kept by removing coarser levels when the raw level is at its floor', () => {
    const store = openSqliteStore(path, limits(2))
    measure(store, 0, 900)
    expect(sizeOnDisk()).toBeLessThanOrEqual(2 * MEBIBYTE)
    expect(oldestMinute(store, 2)).toBeGreaterThan(60)
    expect(oldestMinute(store, 1)).toBeGreaterThanOrEqual(oldestMinute(store, 2))
    expect(oldestMinute(store, 3)).toBeLessThanOrEqual(oldestMinute(store, 2))
    store.close()
  }, 120_000)

  test('does not cause removals while a reader, such as a backup, keeps the log from being truncated', () => {
    const store = openSqliteStore(path, limits(6))
    measure(store, 0, 400)
    const oldestRaw = oldestMinute(store, 1)
    const reader = new DatabaseSync(path, { readOnly: true })
    reader.exec('BEGIN')
    reader.prepare('SELECT count(*) FROM raw').get()
    measure(store, 400, 430)
    reader.close()
    // Half an hour of new windows replaced about as much old content, and the coarser levels are complete.
    expect(oldestMinute(store, 1)).toBeLessThanOrEqual(oldestRaw + 45)
    expect(oldestMinute(store, 2)).toBe(0)
    measure(store, 430, 432)
    expect(sizeOnDisk()).toBeLessThanOrEqual(6 * MEBIBYTE)
    store.close()
  }, 120_000)

  test('applies to runs and events: the oldest are removed, the newest 20 runs and two days of events stay', () => {
    const store = openSqliteStore(path, limits(8))
    const day = 86_400_000
    const host = HostSamples.fromPartial({ pcpJson: 'x'.repeat(100_000) })
    const ids = Array.from({ length: 60 }, (_, index) => sampleId(new Date(T + (index * day) / 10)))
    for (const [index, id] of ids.entries()) {
      store.createRun(sampleRun({ id, state: RunState.RUN_STATE_COMPLETED }))
      store.putResults(id, [sampleResult(1, { sourceHost: host }), sampleResult(2, { sourceHost: host })])
      const seconds = (index * 86_400) / 10
      store.putWindows(
        [],
        Array.from({ length: 400 }, () => sampleEvent(seconds)),
      )
      maintainAll(store, T + (index * day) / 10)
    }
    expect(sizeOnDisk()).toBeLessThanOrEqual(8 * MEBIBYTE)
    const kept = store.listRuns({ size: 0, token: '' }).runs.map(({ id }) => id)
    expect(kept.length).toBeGreaterThanOrEqual(20)
    expect(kept).toEqual(ids.slice(-kept.length).toReversed())
    for (const id of kept) expect(store.allResults(id)).toHaveLength(2)
    expect(store.info().levels[4]?.rows).toBeGreaterThanOrEqual(400 * 20)
    store.close()
  })

  test('shrinks the file when it is lowered', () => {
    const large = openSqliteStore(path, limits(64))
    measure(large, 0, 400)
    large.close()
    const before = sizeOnDisk()
    const store = openSqliteStore(path, limits(4))
    maintainAll(store, T + 401 * 60_000)
    expect(before).toBeGreaterThan(6 * MEBIBYTE)
    expect(sizeOnDisk()).toBeLessThanOrEqual(4 * MEBIBYTE)
    measure(store, 401, 403)
    store.close()
  }, 120_000)
})

describe('a full disk', () => {
  test('refuses windows completely, still removes expired content, and then accepts windows again', ({
    skip,
  }) => {
    mounted = join(folder, 'small')
    mkdirSync(mounted)
    const mount = execaSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', mounted], { reject: false })
    if (mount.failed) {
      mounted = undefined
      skip(`no small file system can be mounted: ${mount.shortMessage}`)
      return
    }
    path = join(mounted, 'meshgauge.db')
    const kept = { raw: 7200, fiveMinutes: 7200, oneHour: 7200, events: 7200, runs: 7200 }
    const store = openSqliteStore(path, { retention: kept, maxBytes: 1024 * MEBIBYTE })
    measure(store, 0, 110)
    writeFiller(mounted)
    let minute = 110
    const full = expect.objectContaining({
      reason: 'STORE_UNAVAILABLE',
      message: expect.stringContaining('the disk is full'),
    })
    let seconds = 0
    expect(() => {
      for (; ; seconds += 10) put(store, minute * 60 + seconds)
    }).toThrow(full)
    const read = (resolution: Resolution) => store.history(3, T, T + 11 * 3_600_000, resolution).windows
    expect(read(Resolution.RESOLUTION_RAW)).toHaveLength(110 * 6 + seconds / 10)
    // Hours later all content has expired: it is removed although the disk is full, and new windows take its space.
    minute = 600
    maintainAll(store, T + minute * 60_000)
    expect(read(Resolution.RESOLUTION_RAW)).toHaveLength(0)
    put(store, minute * 60)
    expect(read(Resolution.RESOLUTION_RAW)).toHaveLength(1)
    store.close()
    const again = openSqliteStore(path, limits(1024))
    expect(again.history(3, T, T + 11 * 3_600_000, Resolution.RESOLUTION_RAW).windows).toHaveLength(1)
    again.close()
  })

  const writeFiller = (place: string): void => {
    try {
      for (let part = 0; ; part++) writeFileSync(join(place, `filler-${part}`), Buffer.alloc(4096))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    }
  }
})
