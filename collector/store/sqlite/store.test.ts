import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { execa } from 'execa'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../lib/clock.ts'
import { toTimestamp } from '../../../lib/protobuf-time.ts'
import type { StoreLimits } from '../limits.ts'
import { describeMaintenance } from '../testing/maintenance-contract.ts'
import { START, sampleResult, sampleRun } from '../testing/samples.ts'
import { describePersistentStore, describeStore } from '../testing/store-contract.ts'
import { openSqliteStore } from './store.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'meshgauge-store-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const openInFile = (limits?: StoreLimits) => {
  const path = join(folder, 'data', 'meshgauge.db')
  const store = openSqliteStore(path, limits)
  const reopen = () => {
    store.close()
    return openSqliteStore(path)
  }
  return { store, reopen, remove: () => undefined }
}

describeStore('SQLite in a file', openInFile)
describePersistentStore('SQLite in a file', openInFile)
describeStore('SQLite in memory', () => ({ store: openSqliteStore(':memory:'), remove: () => undefined }))

describeMaintenance('SQLite in a file', openInFile)
describeMaintenance('SQLite in memory', (limits) => ({
  store: openSqliteStore(':memory:', limits),
  remove: () => undefined,
}))

describe('one collector at a time', () => {
  test('a second one is refused under any name of the file, and accepted when the first has closed', () => {
    const path = join(folder, 'meshgauge.db')
    const first = openSqliteStore(path)
    expect(() => openSqliteStore(join(folder, '..', folder.split('/').at(-1)!, 'meshgauge.db'))).toThrow(
      expect.objectContaining({
        reason: 'STORE_UNAVAILABLE',
        message: `the store ${path} cannot be used: another collector has it open; stop that one, or give this one another path`,
      }),
    )
    first.close()
    openSqliteStore(path).close()
  })

  test('other programs, such as sqlite3 and backups, can read while it is open', () => {
    const path = join(folder, 'meshgauge.db')
    const store = openSqliteStore(path)
    store.createRun(sampleRun())
    const reader = new DatabaseSync(path, { readOnly: true })
    expect(reader.prepare('SELECT count(*) AS n FROM runs').get()).toEqual({ n: 1 })
    reader.close()
    store.close()
  })
})

test('after kill -9 every acknowledged batch is stored, and no batch is stored in part', async () => {
  const path = join(folder, 'meshgauge.db')
  for (const killAfter of [1, 40]) {
    const child = execa(process.execPath, [join(import.meta.dirname, 'fixtures/appender.ts'), path], {
      reject: false,
      timeout: 20_000,
    })
    let acknowledged = 0
    for await (const line of child) {
      acknowledged = Number(line)
      if (acknowledged === 1) expect(() => openSqliteStore(path)).toThrow(/another collector has it open/)
      if (acknowledged >= killAfter) child.kill('SIGKILL')
    }
    expect((await child).signal).toBe('SIGKILL')
    expect(acknowledged).toBeGreaterThanOrEqual(killAfter)

    // The lock was released with the process.
    const store = openSqliteStore(path)
    const results = store.allResults('latest')
    expect(results.length).toBeGreaterThanOrEqual(acknowledged * 50)
    expect(results.length % 50).toBe(0)
    expect(results.map(({ endTime }) => endTime)).toEqual(
      results.map((_, index) => sampleResult(50 + index).endTime),
    )
    store.close()
  }
}, 60_000)

test('measurement times in the future are replaced by later measurements, and new ones are ignored', () => {
  const today = sampleResult(1).endTime!.seconds * 1000
  const ahead = today + 3 * 86_400_000
  let now = ahead
  const path = join(folder, 'ahead.db')
  const open = () => openSqliteStore(path, undefined, { clock: { ...systemClock, now: () => new Date(now) } })
  const store = open()
  const run = sampleRun()
  store.createRun(run)
  const measuredAt = (milliseconds: number) =>
    store.putResults(run.id, [{ ...sampleResult(1), endTime: toTimestamp(new Date(milliseconds)) }])
  const lasts = () => [...store.coverage('iperf'), ...store.coverage('ping')].map(([, at]) => at)
  const nodes = () =>
    [...store.lastMeasured().values()].flatMap(({ ping, iperf }) => (ping ?? iperf)!.getTime())
  store.putCoverage('ping', [['a b net0', ahead]])
  measuredAt(ahead)
  now = today
  expect(nodes()).toEqual([])
  store.putCoverage('ping', [['a b net0', today]])
  measuredAt(today)
  expect(lasts()).toEqual([today, today])
  expect(nodes()).toEqual([today, today])
  // An agent whose clock is ahead reports such a time again.
  store.putCoverage('ping', [['a b net0', ahead]])
  measuredAt(ahead)
  store.putCoverage('ping', [['a b net0', today - 1000]])
  now = ahead
  expect(lasts()).toEqual([today, today])
  expect(nodes()).toEqual([today, today])
  store.close()
})

test('coverage of pairs whose nodes have left is removed in slices after the retention, and not before', () => {
  const DAY = 86_400_000
  const retention = { raw: 3600, fiveMinutes: 86_400, oneHour: 10 * 86_400, events: 86_400, runs: 5 * 86_400 }
  let now = START.getTime()
  const clock = { ...systemClock, now: () => new Date(now) }
  const store = openSqliteStore(':memory:', { retention, maxBytes: 2 ** 30 }, { clock })
  const maintain = () => {
    let pieces = 0
    while (store.maintain(new Date(now))) pieces++
    return pieces
  }
  const run = sampleRun()
  store.createRun(run)
  store.putResults(run.id, [sampleResult(1, { endTime: toTimestamp(START) })])
  const pairs = Array.from({ length: 1000 }, (_, index) => `gone-${index} b net0`)
  store.putCoverage(
    'ping',
    pairs.map((pair) => [pair, now] as const),
  )
  const left = () => [...store.coverage('ping'), ...store.coverage('iperf')].map(([pair]) => pair)
  now += 4 * DAY
  maintain()
  expect(left()).toHaveLength(1001)
  store.putCoverage('ping', [['a b net0', START.getTime()]])
  now += 7 * DAY
  store.putCoverage('ping', [['lately-gone b net0', now]])
  // The nodes of the fleet are not known yet.
  maintain()
  expect(left()).toHaveLength(1003)
  store.setMembers(new Set(['a', 'b', 'node-1']))
  now += DAY
  expect(maintain()).toBeGreaterThanOrEqual(3)
  expect(left()).toEqual(['a b net0', 'lately-gone b net0'])
  expect([...store.lastMeasured().keys()]).toEqual(['node-1'])
  store.close()
})
