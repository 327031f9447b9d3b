import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Resolution } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Store } from '../../store.ts'
import { LIMITS, maintainAll } from '../../testing/maintenance-contract.ts'
import { sampleWindow } from '../../testing/windows-contract.ts'
import { openSqliteStore } from '../store.ts'

const HOUR = 3_600_000
/** The full hour that sample windows count from. */
const T = sampleWindow(0, 0).startMs
const { RESOLUTION_RAW, RESOLUTION_5_MINUTES, RESOLUTION_1_HOUR } = Resolution

let folder: string
let path: string
let reported: [level: string, timeMs: number][]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'meshgauge-damage-'))
  path = join(folder, 'meshgauge.db')
  reported = []
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const open = () =>
  openSqliteStore(path, LIMITS, { onDamaged: (level, timeMs) => reported.push([level, timeMs]) })

const read = (store: Store, resolution: Resolution, id = 0) =>
  store.history(id, T, T + HOUR, resolution).windows

/** Stores an hour of two paths, rolls it up, and returns the windows of the first path at each level. */
const fill = () => {
  const store = open()
  for (const destination of ['b', 'c']) store.pathId({ source: 'a', destination, interface: 'net0' })
  const windows = [0, 1].flatMap((id) =>
    Array.from({ length: 360 }, (_, index) => sampleWindow(id, index * 10)),
  )
  store.putWindows(windows, [])
  maintainAll(store, T + 1.5 * HOUR)
  const stored = [RESOLUTION_RAW, RESOLUTION_5_MINUTES, RESOLUTION_1_HOUR].map((each) => read(store, each))
  store.close()
  return { raw: stored[0]!, five: stored[1]!, hour: stored[2]! }
}

/** Makes the rows of the first path unreadable. */
const damage = (table: string, body = "x'05ffffffffffffffff'") => {
  const database = new DatabaseSync(path)
  database.exec(`UPDATE ${table} SET body = ${body} WHERE key % 16777216 = 0`)
  database.close()
}

test('damaged roll-ups are computed again from the finer level, and each is reported once', () => {
  const stored = fill()
  damage('five_minutes')
  damage('one_hour')
  const store = open()
  // Before the repair, queries return the intact rows.
  expect(read(store, RESOLUTION_5_MINUTES)).toEqual([])
  expect(read(store, RESOLUTION_1_HOUR)).toEqual([])
  maintainAll(store, T + 1.6 * HOUR)
  expect(read(store, RESOLUTION_5_MINUTES)).toEqual(stored.five)
  expect(read(store, RESOLUTION_1_HOUR)).toEqual(stored.hour)
  expect(reported.map(([level]) => level).sort()).toEqual(
    [...Array(12).fill('five_minutes'), 'one_hour'].sort(),
  )
  expect(store.info().levels.find(({ name }) => name === '5m')?.rows).toBe(24)
  expect(read(store, RESOLUTION_5_MINUTES, 1)).toHaveLength(12)
  store.close()
})

test('a 1-hour row is computed from raw windows when its 5-minute rows are damaged', () => {
  const stored = fill()
  damage('five_minutes')
  const database = new DatabaseSync(path)
  database.exec('INSERT INTO todo_one_hour SELECT key FROM one_hour')
  database.close()
  const store = open()
  maintainAll(store, T + 1.6 * HOUR)
  expect(read(store, RESOLUTION_1_HOUR)).toEqual(stored.hour)
  expect(reported).toHaveLength(12)
  store.close()
})

test('a damaged roll-up without finer windows is deleted, and maintenance continues', async () => {
  fill()
  const database = new DatabaseSync(path)
  database.exec(`DELETE FROM raw; INSERT INTO todo_one_hour SELECT key FROM one_hour;
    INSERT INTO figures VALUES ('raw_from', ${T + HOUR}) ON CONFLICT DO UPDATE SET value = excluded.value`)
  database.close()
  damage('five_minutes')
  const store = open()
  maintainAll(store, T + 1.6 * HOUR)
  expect(read(store, RESOLUTION_5_MINUTES)).toEqual([])
  expect(read(store, RESOLUTION_5_MINUTES, 1)).toHaveLength(12)
  expect(reported).toHaveLength(12)
  maintainAll(store, T + 20 * 24 * HOUR)
  expect(read(store, RESOLUTION_1_HOUR, 1)).toEqual([])
  store.close()
})

test('a damaged row of raw windows keeps its intact windows', () => {
  const stored = fill()
  // A seventh, truncated window follows the six windows of each minute.
  damage('raw', "CAST(body || x'05f8cc03' AS BLOB)")
  const database = new DatabaseSync(path)
  database.exec('INSERT INTO todo_five_minutes SELECT key FROM five_minutes')
  database.close()
  const store = open()
  maintainAll(store, T + 1.6 * HOUR)
  expect(reported.filter(([level]) => level === 'raw')).toHaveLength(60)
  expect(read(store, RESOLUTION_RAW)).toEqual(stored.raw)
  expect(read(store, RESOLUTION_5_MINUTES)).toEqual(stored.five)
  store.close()
})

test.each(['05f8cc03', 'ff'])(
  'late windows are added to a minute with the damaged bytes %s at its end',
  (bytes) => {
    const stored = fill()
    damage('raw', `CAST(body || x'${bytes}' AS BLOB)`)
    const store = open()
    store.putWindows([sampleWindow(0, 3599.5)], [])
    maintainAll(store, T + 1.6 * HOUR)
    expect(read(store, RESOLUTION_RAW).map(({ startMs }) => startMs)).toEqual(
      [...stored.raw.map(({ startMs }) => startMs), T + 3_599_500].sort((a, b) => a - b),
    )
    expect(store.info().levels.find(({ name }) => name === 'raw')?.rows).toBe(721)
    store.close()
  },
)

test('an aggregate omits damaged rows, and contains all other paths', async () => {
  fill()
  damage('five_minutes', "CAST(substr(body, 1, length(body) - 1) || x'ff' AS BLOB)")
  const store = open()
  const merged = async () => [...(await store.aggregate(T, T + HOUR)).values()]
  expect((await merged()).map(({ path, sentCount }) => [path, sentCount])).toEqual([[1, 3600]])
  maintainAll(store, T + 1.6 * HOUR)
  expect((await merged()).map(({ path, sentCount }) => [path, sentCount])).toEqual([
    [0, 3600],
    [1, 3600],
  ])
  store.close()
})

test('unreadable raw windows are removed after their retention', () => {
  fill()
  damage('raw', "x'ffffff'")
  const store = open()
  maintainAll(store, T + 20 * 24 * HOUR)
  expect(store.info().levels.map(({ oldestMs }) => oldestMs)).toEqual(Array(5).fill(undefined))
  store.close()
})
