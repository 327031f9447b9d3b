import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { PairResult as PairResultMessage } from '#proto/meshgauge/collector/v1/result.ts'
import { Run } from '#proto/meshgauge/collector/v1/run.ts'
import { pairResultMessage } from '../../dispatch/pair-result-message.ts'
import { runMessage } from '../run-message.ts'
import { maintainAll } from '../testing/maintenance-contract.ts'
import { START, sampleResult, sampleRun } from '../testing/samples.ts'
import { sampleWindow } from '../testing/windows-contract.ts'
import { openSqliteStore } from './store.ts'

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'meshgauge-migration-'))
  path = join(folder, 'meshgauge.db')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const RESULTS = 500
const run = sampleRun()

/** Writes a store as meshgauge 0.1.0 did. */
const writeVersion1 = (): void => {
  const database = new DatabaseSync(path)
  database.exec('PRAGMA journal_mode = WAL')
  database.exec(readFileSync(new URL('fixtures/version-1.sql', import.meta.url), 'utf8'))
  database
    .prepare('INSERT INTO runs (id, state, body) VALUES (?, ?, ?)')
    .run(run.id, run.state, Run.encode(runMessage(run)).finish())
  const insert = database.prepare('INSERT INTO results (run, pair, outcome, body) VALUES (1, ?, ?, ?)')
  database.exec('BEGIN')
  for (let index = 0; index < RESULTS; index++) {
    const result = sampleResult(index, index === 7 ? { outcome: 2, values: undefined } : {})
    insert.run(`pair ${index}`, result.outcome, PairResultMessage.encode(pairResultMessage(result)).finish())
  }
  database.exec("INSERT INTO last_measured VALUES ('node-1', 'iperf', 1234567)")
  database.exec('COMMIT')
  database.close()
}

test('a store of version 1 is upgraded in place and keeps all content', () => {
  writeVersion1()
  const before = statSync(path)
  const store = openSqliteStore(path)
  expect(statSync(path).ino).toBe(before.ino)
  expect(store.getRun('latest')).toEqual(run)
  expect(store.allResults(run.id)).toHaveLength(RESULTS)
  expect(store.lastMeasured().get('node-1')).toEqual({ iperf: new Date(1234567) })
  expect([...store.coverage('iperf')]).toHaveLength(RESULTS - 1)
  expect(new Map(store.coverage('iperf')).get('node-3 node-4 net0')).toBe(START.getTime() + 3000)
  expect(store.info().levels[0]).toMatchObject({ name: 'runs', rows: 1 })
  const identity = store.identity()
  const key = { source: 'a', destination: 'b', interface: 'net0' }
  store.putWindows([sampleWindow(store.pathId(key), 0)], [])
  store.close()

  const again = openSqliteStore(path)
  expect(again.identity()).toBe(identity)
  expect(again.allResults(run.id)).toHaveLength(RESULTS)
  expect(again.paths().get(0)).toEqual(key)
  again.close()
})

test('a store of version 1 releases free pages to the file system after the upgrade', () => {
  writeVersion1()
  const store = openSqliteStore(path, {
    retention: { raw: 7200, fiveMinutes: 7200, oneHour: 7200, events: 7200, runs: 7200 },
    maxBytes: 2 ** 20,
  })
  const id = store.pathId({ source: 'a', destination: 'b', interface: 'net0' })
  const { startMs } = sampleWindow(id, 0)
  const counts = Array.from({ length: 900 }, (_, index) => 5 + (index % 90))
  for (let second = 0; second < 8000; second += 10) {
    store.putWindows([sampleWindow(id, second, { histogramOffset: -600, histogramCounts: counts })], [])
  }
  expect(store.info().sizeBytes).toBeGreaterThan(2 ** 20)
  maintainAll(store, startMs + 24 * 3_600_000)
  expect(store.info().sizeBytes).toBeLessThanOrEqual(2 ** 20)
  store.close()
  expect(statSync(path).size).toBeLessThanOrEqual(2 ** 20)
})
