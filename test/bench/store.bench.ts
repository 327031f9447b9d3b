/**
 * The store with 1,000 agents of 20 targets each: CPU and space of windows of 10 s (2,000 per second) and of 1 s (20,000 per
 * second), concurrent reads, and other table layouts for comparison. MESHGAUGE_BENCH_MINUTES sets the simulated time: 85
 * minutes of 10 s windows are 10 million rows.
 */

import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { openSqliteStore } from '../../collector/store/sqlite/store.ts'
import type { Store } from '../../collector/store/store.ts'
import type { Window } from '../../collector/store/windows.ts'
import { expectAtLeast, expectAtMost, median } from './figures.ts'

const PATHS = 20_000
const HOUR = 3_600_000
const T = 480_000 * HOUR
const PIECE_MS = 4

const folder = mkdtempSync(join(tmpdir(), 'meshgauge-store-bench-'))

const windowOf = (path: number, startMs: number, seconds: number): Window => {
  const counts = new Array<number>(40).fill(0)
  for (let probe = 0; probe < seconds; probe++) counts[Math.floor(Math.random() * 40)]!++
  return {
    path,
    startMs,
    endMs: startMs + seconds * 1000,
    sentCount: seconds,
    receivedCount: seconds,
    rttMinSeconds: 1e-4 * (1 + Math.random()),
    rttMaxSeconds: 3e-4 * (1 + Math.random()),
    rttSumSeconds: seconds * 2e-4,
    jitterSeconds: 3e-5 * Math.random(),
    histogramOffset: -426,
    histogramCounts: counts,
  }
}

const batchAt = (paths: readonly number[], second: number, length: number): Window[] =>
  paths
    .filter((_, index) => index % length === second % length)
    .map((path) => windowOf(path, T + second * 1000, length))

/** CPU time of this thread in milliseconds, without the influence of other processes and the disk. */
const cpuMs = (): number => {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

const timed = <R>(work: () => R): [R, number] => {
  const start = cpuMs()
  const result = work()
  return [result, cpuMs() - start]
}

/** The longest CPU time for which `work` blocks the event loop. */
const longestBlock = async (work: () => Promise<unknown>): Promise<number> => {
  let [longest, last, goesOn] = [0, cpuMs(), true]
  const tick = () => {
    const now = cpuMs()
    longest = Math.max(longest, now - last)
    last = now
    if (goesOn) setImmediate(tick)
  }
  setImmediate(tick)
  await work()
  goesOn = false
  return longest
}

const runMaintenance = (store: Store, nowMs: number, pieces: number[]): void => {
  for (;;) {
    const start = performance.now()
    const [isMoreDue, took] = timed(() =>
      store.maintain(new Date(nowMs), () => performance.now() - start > PIECE_MS),
    )
    pieces.push(took)
    if (!isMoreDue) return
  }
}

const read = async (store: Store, endMs: number, minutes: number): Promise<void> => {
  for (const length of [1, 10, 30, 60]) {
    if (length > minutes) continue
    const start = performance.now()
    const block = await longestBlock(() => store.aggregate(endMs - length * 60_000, endMs))
    const took = performance.now() - start
    console.log(
      `  aggregate of ${length} min, ${PATHS} paths: ${took.toFixed(0)} ms, longest block ${block.toFixed(1)} ms`,
    )
    if (length === 1) expectAtMost('longest block of a minute over all paths', block, 20, ' ms')
  }
  const [{ windows }, took] = timed(() => store.history(7, endMs - HOUR, endMs, 1))
  console.log(`  history of an hour, raw: ${windows.length} windows in ${took.toFixed(1)} ms`)
}

const measure = async (length: number, minutes: number): Promise<void> => {
  const file = join(folder, `windows-${length}.db`)
  const store = openSqliteStore(file)
  const paths = Array.from({ length: PATHS }, (_, index) =>
    store.pathId({
      source: `node-${Math.floor(index / 20)}`,
      destination: `peer-${index % 20}`,
      interface: 'net0',
    }),
  )
  const [puts, pieces]: [number[], number[]] = [[], []]
  let rows = 0
  for (let second = 0; second < minutes * 60; second++) {
    const batch = batchAt(paths, second, length)
    puts.push(timed(() => store.putWindows(batch, []))[1])
    rows += batch.length
    runMaintenance(store, T + (second + 1) * 1000, pieces)
  }
  const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0)
  const cost = (total(puts) + total(pieces)) / (minutes * 60)
  const sorted = pieces.toSorted((a, b) => a - b)
  const used = statSync(file).size - store.info().freeBytes
  console.log(`windows of ${length} s: ${rows} rows in ${minutes} min, ${PATHS / length} a second`)
  console.log(
    `  written: ${((rows / total(puts)) * 1000).toFixed(0)} rows/s, median ${median(puts).toFixed(1)} ms a batch`,
  )
  console.log(`  ${(used / rows).toFixed(1)} bytes a row, roll-ups included`)
  console.log(`  pieces of maintenance: p99 ${sorted[Math.floor(sorted.length * 0.99)]!.toFixed(1)} ms`)
  expectAtMost('share of a core, writing and maintenance', cost / 1000, 0.15)
  expectAtMost('longest piece of maintenance', sorted.at(-1)!, 20, ' ms')
  expectAtLeast('rows written over rows that come', (rows / total(puts)) * 1000, 5 * (PATHS / length))
  await read(store, T + minutes * 60_000, minutes)
  store.close()
}

/** Writes the same rows to other table layouts. */
const LAYOUTS: Record<string, string> = {
  'a row for each window, as they come': 'CREATE TABLE w (path INTEGER, start INTEGER, body BLOB)',
  'keyed by path and start':
    'CREATE TABLE w (path INTEGER, start INTEGER, body BLOB, PRIMARY KEY (path, start)) WITHOUT ROWID',
  'keyed by start and path':
    'CREATE TABLE w (path INTEGER, start INTEGER, body BLOB, PRIMARY KEY (start, path)) WITHOUT ROWID',
}

const measureLayout = (name: string, schema: string, seconds: number): void => {
  const file = join(folder, 'layout.db')
  rmSync(file, { force: true })
  const database = new DatabaseSync(file)
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
  database.exec(schema)
  const insert = database.prepare('INSERT OR IGNORE INTO w (path, start, body) VALUES (?, ?, ?)')
  const body = new Uint8Array(30)
  let took = 0
  for (let second = 0; second < seconds; second++) {
    took += timed(() => {
      database.exec('BEGIN')
      for (let path = second % 10; path < PATHS; path += 10) insert.run(path, T + second * 1000, body)
      database.exec('COMMIT')
    })[1]
  }
  const rows = (PATHS / 10) * seconds
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  console.log(
    `layout ${name}: ${((rows / took) * 1000).toFixed(0)} rows/s, ${(statSync(file).size / rows).toFixed(1)} bytes a row`,
  )
  database.close()
}

const minutes = Number(process.env.MESHGAUGE_BENCH_MINUTES ?? 20)
try {
  for (const [name, schema] of Object.entries(LAYOUTS)) measureLayout(name, schema, 300)
  await measure(10, minutes)
  await measure(1, Math.min(minutes, 10))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
