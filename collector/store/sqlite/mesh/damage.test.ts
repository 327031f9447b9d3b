import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Resolution } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Store } from '../../store.ts'
import { LIMITS, maintainAll } from '../../testing/upkeep-contract.ts'
import { sampleWindow } from '../../testing/windows-contract.ts'
import { openSqliteStore } from '../store.ts'

const HOUR = 3_600_000
/** The full hour that sample windows count from. */
const T = sampleWindow(0, 0).startMs
const { RESOLUTION_RAW, RESOLUTION_5_MINUTES, RESOLUTION_1_HOUR } = Resolution

let folder: string
let path: string
let told: [level: string, timeMs: number][]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'meshgauge-damage-'))
  path = join(folder, 'meshgauge.db')
  told = []
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const open = () => openSqliteStore(path, LIMITS, { onDamaged: (level, timeMs) => told.push([level, timeMs]) })

const read = (store: Store, resolution: Resolution, id = 0) =>
  store.history(id, T, T + HOUR, resolution).windows

/** An hour of two paths, rolled up; what the reader knows of it. */
const fill = () => {
  const store = open()
  for (const destination of ['b', 'c']) store.pathId({ source: 'a', destination, interface: 'net0' })
  const windows = [0, 1].flatMap((id) =>
    Array.from({ length: 360 }, (_, index) => sampleWindow(id, index * 10)),
  )
  store.putWindows(windows, [])
  maintainAll(store, T + 1.5 * HOUR)
  const known = [RESOLUTION_RAW, RESOLUTION_5_MINUTES, RESOLUTION_1_HOUR].map((each) => read(store, each))
  store.close()
  return { raw: known[0]!, five: known[1]!, hour: known[2]! }
}

/** Makes the rows of the first path what nobody can read. */
const damage = (table: string, body = "x'05ffffffffffffffff'") => {
  const database = new DatabaseSync(path)
  database.exec(`UPDATE ${table} SET body = ${body} WHERE key % 16777216 = 0`)
  database.close()
}

test('roll-ups that cannot be read are made anew of what is finer, and told once each', () => {
  const known = fill()
  damage('five_minutes')
  damage('one_hour')
  const store = open()
  // Whoever asks meanwhile gets what there is.
  expect(read(store, RESOLUTION_5_MINUTES)).toEqual([])
  expect(read(store, RESOLUTION_1_HOUR)).toEqual([])
  maintainAll(store, T + 1.6 * HOUR)
  expect(read(store, RESOLUTION_5_MINUTES)).toEqual(known.five)
  expect(read(store, RESOLUTION_1_HOUR)).toEqual(known.hour)
  expect(told.map(([level]) => level).sort()).toEqual([...Array(12).fill('five_minutes'), 'one_hour'].sort())
  expect(store.info().levels.find(({ name }) => name === '5m')?.rows).toBe(24)
  expect(read(store, RESOLUTION_5_MINUTES, 1)).toHaveLength(12)
  store.close()
})

test('the hour is made although some of what it is made of cannot be read', () => {
  const known = fill()
  damage('five_minutes')
  const database = new DatabaseSync(path)
  database.exec('INSERT INTO todo_one_hour SELECT key FROM one_hour')
  database.close()
  const store = open()
  maintainAll(store, T + 1.6 * HOUR)
  expect(read(store, RESOLUTION_1_HOUR)).toEqual(known.hour)
  expect(told).toHaveLength(12)
  store.close()
})

test('what has nothing finer left is gone, and upkeep goes on', async () => {
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
  expect(told).toHaveLength(12)
  maintainAll(store, T + 20 * 24 * HOUR)
  expect(read(store, RESOLUTION_1_HOUR, 1)).toEqual([])
  store.close()
})

test('of raw windows those stay that are whole', () => {
  const known = fill()
  // After the six windows of each minute a seventh that ends too soon.
  damage('raw', "CAST(body || x'05f8cc03' AS BLOB)")
  const database = new DatabaseSync(path)
  database.exec('INSERT INTO todo_five_minutes SELECT key FROM five_minutes')
  database.close()
  const store = open()
  maintainAll(store, T + 1.6 * HOUR)
  expect(told.filter(([level]) => level === 'raw')).toHaveLength(60)
  expect(read(store, RESOLUTION_RAW)).toEqual(known.raw)
  expect(read(store, RESOLUTION_5_MINUTES)).toEqual(known.five)
  store.close()
})

test.each(['05f8cc03', 'ff'])(
  'late windows of a minute with %s at its end are no less whole for it',
  (bytes) => {
    const known = fill()
    damage('raw', `CAST(body || x'${bytes}' AS BLOB)`)
    const store = open()
    store.putWindows([sampleWindow(0, 3599.5)], [])
    maintainAll(store, T + 1.6 * HOUR)
    expect(read(store, RESOLUTION_RAW).map(({ startMs }) => startMs)).toEqual(
      [...known.raw.map(({ startMs }) => startMs), T + 3_599_500].sort((a, b) => a - b),
    )
    expect(store.info().levels.find(({ name }) => name === 'raw')?.rows).toBe(721)
    store.close()
  },
)

test('what merges all paths leaves out what is damaged, and nothing of another path', async () => {
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

test('raw windows that nobody can read go when they are too old', () => {
  fill()
  damage('raw', "x'ffffff'")
  const store = open()
  maintainAll(store, T + 20 * 24 * HOUR)
  expect(store.info().levels.map(({ oldestMs }) => oldestMs)).toEqual(Array(5).fill(undefined))
  store.close()
})
