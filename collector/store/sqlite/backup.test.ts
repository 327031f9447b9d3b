import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { execaSync } from 'execa'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { StoreCopy } from '../maintenance.ts'
import type { Store } from '../store.ts'
import { sampleWindow } from '../testing/windows-contract.ts'
import { openSqliteStore } from './store.ts'

const T = sampleWindow(0, 0).startMs
const PATHS = 500
const MORE_PUTS = 20

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'meshgauge-copy-'))
  path = join(folder, 'meshgauge.db')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const put = (store: Store, second: number): void => {
  const windows = Array.from({ length: PATHS }, (_, index) =>
    sampleWindow(store.pathId({ source: `node-${index}`, destination: 'far', interface: 'net0' }), second),
  )
  store.putWindows(windows, [])
}

const written = async (copy: StoreCopy): Promise<string> => {
  const file = join(folder, 'written.db')
  const pieces: Buffer[] = []
  for await (const piece of copy.pieces()) pieces.push(piece)
  expect(pieces.reduce((sum, { length }) => sum + length, 0)).toBe(copy.sizeBytes)
  writeFileSync(file, Buffer.concat(pieces))
  return file
}

const others = () =>
  readdirSync(folder).filter((name) => !/^meshgauge\.db(-wal|-shm|-lock|-lock-journal|-spare)?$/.test(name))
const never = new AbortController().signal

test.each([':memory:', 'a file'])(
  'a backup of %s is complete and consistent while writing continues',
  async (kind) => {
    const store = openSqliteStore(kind === 'a file' ? path : kind)
    const puts = 40
    for (let second = 0; second < puts; second++) put(store, second)
    const copying = store.backup(never)
    let isDone = false
    copying.then(() => {
      isDone = true
    })
    let more = 0
    while (!isDone || more < MORE_PUTS) {
      if (more < MORE_PUTS) put(store, puts + more++)
      store.maintain(new Date(T + 3_600_000))
      await new Promise((resolve) => setImmediate(resolve))
    }
    const file = await written(await copying)
    expect(others()).toEqual(['written.db'])

    const database = new DatabaseSync(file)
    expect(database.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }])
    database.close()
    const copy = openSqliteStore(file)
    const kept = copy.history(7, T, T + 3_600_000, 1).windows
    expect(kept).toHaveLength(puts)
    const paths = [...copy.paths().keys()]
    expect(paths).toHaveLength(PATHS)
    for (const each of paths.slice(0, 50)) {
      expect(copy.history(each, T, T + 3_600_000, 1).windows).toHaveLength(kept.length)
    }
    expect(copy.identity()).toBe(store.identity())
    expect(store.history(7, T, T + 3_600_000, 1).windows).toHaveLength(puts + more)
    copy.close()
    store.close()
  },
  60_000,
)

test('a cancelled backup leaves no files', async () => {
  const store = openSqliteStore(path)
  for (let second = 0; second < 20; second++) put(store, second)
  const stopping = new AbortController()
  const copying = store.backup(stopping.signal)
  stopping.abort(new Error('the caller has left'))
  await expect(copying).rejects.toThrow('the caller has left')
  expect(others()).toEqual([])

  const copy = await store.backup(never)
  for await (const piece of copy.pieces()) {
    expect(piece.length).toBeGreaterThan(0)
    break
  }
  expect(others()).toEqual([])
  store.close()
})

test('opening the store removes unfinished backups of a killed collector, and no other files', () => {
  openSqliteStore(path).close()
  mkdirSync(`${path}-backup-x7Gh2k`)
  writeFileSync(join(`${path}-backup-x7Gh2k`, 'copy.db'), 'half a copy')
  const precious = ['my-backup.db', 'meshgauge.db-backup-monday', 'meshgauge.db-backup-2026-11-20']
  for (const name of precious) writeFileSync(join(folder, name), 'precious')
  mkdirSync(`${path}-backup-weekly`)
  writeFileSync(`${path}-backup-weekly/meshgauge.db`, 'precious')
  openSqliteStore(path).close()
  expect(others().sort()).toEqual([...precious, 'meshgauge.db-backup-weekly'].sort())
  expect(readdirSync(`${path}-backup-weekly`)).toEqual(['meshgauge.db'])
})

test('a backup that does not fit on the disk is refused before it writes anything', async ({ skip }) => {
  const mounted = join(folder, 'small')
  mkdirSync(mounted)
  const mount = execaSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', mounted], { reject: false })
  if (mount.failed) {
    skip(`no small file system can be mounted: ${mount.shortMessage}`)
    return
  }
  try {
    const store = openSqliteStore(join(mounted, 'meshgauge.db'))
    let second = 0
    while (store.info().sizeBytes < 14 * 2 ** 20) put(store, second++)
    const copying = store.backup(never)
    let isDone = false
    copying.catch(() => {
      isDone = true
    })
    while (!isDone) {
      put(store, second++)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await expect(copying).rejects.toMatchObject({
      reason: 'STORE_UNAVAILABLE',
      message: expect.stringContaining('has no space for a copy'),
    })
    store.close()
  } finally {
    execaSync('umount', ['--lazy', mounted])
  }
})
