import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { OperatingError } from '../../../lib/errors.ts'
import type { Run } from '../run.ts'
import type { Store } from '../store.ts'
import { START, sampleRecord, sampleResult, sampleRun } from '../testing/samples.ts'
import { sampleEvent } from '../testing/windows-contract.ts'
import { openSqliteStore } from './store.ts'

const TABLES = ['runs', 'results', 'checks', 'events']
const PAGE = { size: 100, token: '' }
const EVER = { fromMs: 0, toMs: Number.MAX_SAFE_INTEGER }

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'meshgauge-records-'))
  path = join(folder, 'meshgauge.db')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Stores a run that has not ended, with all kinds of records. */
const fill = (): Run => {
  const store = openSqliteStore(path)
  const run = sampleRun({ state: RunState.RUN_STATE_RUNNING, requestId: 'request-1' })
  store.createRun(run)
  store.putResults(run.id, [sampleResult(1), sampleResult(3)])
  store.putChecks([{ node: 'node-1', record: sampleRecord('disk') }])
  store.putWindows([], [sampleEvent(0)])
  store.close()
  return run
}

const change = (damage: (body: Uint8Array) => Uint8Array, tables = TABLES): void => {
  const database = new DatabaseSync(path)
  for (const table of tables) {
    const { body } = database.prepare(`SELECT body FROM ${table} LIMIT 1`).get()!
    database.prepare(`UPDATE ${table} SET body = ? WHERE body = ?`).run(damage(body as Uint8Array), body!)
  }
  database.close()
}

/** Reads every record in every way. */
const readAll = (store: Store, { id }: Run) => {
  store.interruptUnfinished('restarted', START)
  return {
    runs: store.listRuns(PAGE).runs,
    results: store.listResults(id, PAGE).results,
    all: store.allResults(id),
    checks: store.checks(),
    events: store.meshEvents(EVER, PAGE).events,
  }
}

test('a record that cannot be decoded is reported once and left out; the others and itself stay', () => {
  const run = fill()
  change(() => Uint8Array.of(0x0f, 0xff))
  const reported: string[] = []
  const store = openSqliteStore(path, undefined, { onDamagedRecord: (table) => reported.push(table) })
  for (let read = 0; read < 2; read++) {
    const { runs, results, all, checks, events } = readAll(store, run)
    expect([runs, checks, events]).toEqual([[], [], []])
    expect([results.length, all.length]).toEqual([1, 1])
  }
  expect(reported.sort()).toEqual([...TABLES].sort())
  const damaged = expect.objectContaining({
    reason: 'RECORD_DAMAGED',
    message: expect.stringContaining(run.id),
  })
  for (const read of [() => store.getRun(run.id), () => store.runOfRequest('request-1')])
    expect(read).toThrow(damaged)
  store.close()
  const database = new DatabaseSync(path)
  expect(database.prepare('SELECT count(*) AS n FROM runs').get()?.n).toBe(1)
  database.close()
})

test('no damage to a record prevents that the store is read', () => {
  const run = fill()
  const damage = fc.record({
    from: fc.double({ min: 0, max: 1, noNaN: true }),
    bytes: fc.uint8Array({ maxLength: 8 }),
  })
  fc.assert(
    fc.property(damage, fc.boolean(), ({ from, bytes }, isCut) => {
      change((body) => {
        const start = Math.floor(from * body.length)
        const rest = isCut ? [] : body.subarray(start + bytes.length)
        return Uint8Array.of(...body.subarray(0, start), ...bytes, ...rest)
      })
      const store = openSqliteStore(path)
      try {
        readAll(store, run)
        store.getRun(run.id)
      } catch (error) {
        if (!(error instanceof OperatingError) || error.reason !== 'RECORD_DAMAGED') throw error
      } finally {
        store.close()
      }
    }),
    { numRuns: 60 },
  )
})
