import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { execaSync } from 'execa'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Resolution } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Store } from '../store.ts'
import { START, sampleId, sampleResult, sampleRun } from '../testing/samples.ts'
import { openDatabase } from './database.ts'
import { SCHEMA_VERSION } from './schema.ts'
import { createSqliteStore, openSqliteStore } from './store.ts'

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'meshgauge-store-'))
  path = join(folder, 'meshgauge.db')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const unusable = (problem: string) =>
  expect.objectContaining({
    reason: 'STORE_UNAVAILABLE',
    message: expect.stringContaining(`the store ${path} cannot be used: ${problem}`),
  })

let resultCount = 0
/** Results of pairs that no other call returns: a later result of the same pair would replace the first. */
const newResults = (count: number) => Array.from({ length: count }, () => sampleResult(resultCount++))

describe('refuses to open', () => {
  test('a file that is not a database', () => {
    writeFileSync(path, 'this is no database at all, '.repeat(100))
    expect(() => openSqliteStore(path)).toThrow(
      unusable('it is not a meshgauge store: give another path, or move the file away'),
    )
  })

  test('the database of another program, and does not change it', () => {
    const other = new DatabaseSync(path)
    other.exec('CREATE TABLE theirs (x)')
    other.close()
    const before = readFileSync(path)
    expect(() => openSqliteStore(path)).toThrow(unusable('it is the SQLite database of another program'))
    expect(readFileSync(path).equals(before)).toBe(true)
    const again = new DatabaseSync(path)
    expect(again.prepare('SELECT name FROM sqlite_schema').all()).toEqual([{ name: 'theirs' }])
    again.close()
  })

  test('a store of a newer meshgauge', () => {
    openSqliteStore(path).close()
    const newer = new DatabaseSync(path)
    newer.exec(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`)
    newer.close()
    const before = readFileSync(path)
    expect(() => openSqliteStore(path)).toThrow(
      unusable(`its schema has version ${SCHEMA_VERSION + 1} and this meshgauge knows ${SCHEMA_VERSION}`),
    )
    expect(readFileSync(path).equals(before)).toBe(true)
  })

  test('a folder', () => {
    mkdirSync(path)
    expect(() => openSqliteStore(path)).toThrow(unusable('it cannot be opened'))
  })

  test('a path in a folder that cannot be created because its parent is a file', () => {
    writeFileSync(join(folder, 'file'), '')
    path = join(folder, 'file', 'data', 'meshgauge.db')
    expect(() => openSqliteStore(path)).toThrow(unusable('it cannot be opened'))
  })
})

test('a symbolic link leads to the same lock and log as the store itself', () => {
  const real = join(folder, 'other disk')
  mkdirSync(real)
  const store = openSqliteStore(join(real, 'real.db'))
  symlinkSync(join(real, 'real.db'), path)
  expect(() => openSqliteStore(path)).toThrow('another collector has it open')
  store.close()
  const linked = openSqliteStore(path)
  linked.createRun(sampleRun())
  expect(linked.info().path).toBe(join(real, 'real.db'))
  expect(readdirSync(folder).sort()).toEqual(['meshgauge.db', 'other disk'])
  linked.close()
})

describe('a damaged store', () => {
  const fill = () => {
    const store = openSqliteStore(path)
    store.createRun(sampleRun())
    store.putResults(store.getRun('latest').id, newResults(2000))
    store.close()
  }

  const readAll = () => {
    const store = openSqliteStore(path)
    try {
      store.allResults('latest')
    } finally {
      store.close()
    }
  }

  test('pages overwritten in the middle', () => {
    fill()
    const file = openSync(path, 'r+')
    const { size } = statSync(path)
    writeSync(file, Buffer.alloc(size - 40_960, 0xab), 0, size - 40_960, 20_480)
    closeSync(file)
    expect(readAll).toThrow(unusable('it is damaged: move the file away'))
  })

  test.each(['80', 'ffffff', '0005ffffffffff', '000f010a0a010101010100ffffffffff7f'])(
    'damaged windows (%s) are reported once, and do not block reading or maintenance',
    (body) => {
      openSqliteStore(path).close()
      const database = new DatabaseSync(path)
      database.exec(`INSERT INTO fresh (key, body) VALUES (0, x'${body}')`)
      database.close()
      const reported: string[] = []
      const store = openSqliteStore(path, undefined, { onDamaged: (level) => reported.push(level) })
      expect(store.history(0, 0, 60_000, Resolution.RESOLUTION_RAW).windows).toEqual([])
      for (let piece = 0; store.maintain(new Date(3_600_000)); piece++) expect(piece).toBeLessThan(100)
      expect(reported).toHaveLength(1)
      expect(store.info().waitingWindows).toBe(0)
      store.close()
    },
  )

  test('the file cut short', () => {
    fill()
    truncateSync(path, 12_288)
    expect(readAll).toThrow(unusable('it is damaged'))
  })
})

describe('a full disk', () => {
  /** Appends until the store refuses; returns the number of acknowledged results. */
  const fillUp = (store: Store, run: string): number => {
    let acknowledged = 0
    expect(() => {
      for (; acknowledged < 100_000; acknowledged += 100) store.putResults(run, newResults(100))
    }).toThrow(unusable('the disk is full: free some space there'))
    return acknowledged
  }

  const expectRecovery = (store: Store, freeSpace: () => void): void => {
    const run = sampleRun()
    store.createRun(run)
    const acknowledged = fillUp(store, run.id)
    expect(acknowledged).toBeGreaterThan(0)
    // Reading works, and nothing of the failed batch is stored.
    expect(store.allResults(run.id)).toHaveLength(acknowledged)
    expect(store.getRun('latest')).toEqual(run)
    freeSpace()
    store.putResults(run.id, newResults(100))
    store.createRun(sampleRun({ id: sampleId(START) }))
    expect(store.allResults(run.id)).toHaveLength(acknowledged + 100)
  }

  /** Runs `work` in a new small file system. Returns false when none can be mounted. */
  const inSmallFileSystem = (kilobytes: number, work: (mounted: string) => void): boolean => {
    const mounted = join(folder, 'small')
    mkdirSync(mounted)
    const size = `size=${kilobytes}k`
    const mount = execaSync('mount', ['-t', 'tmpfs', '-o', size, 'tmpfs', mounted], { reject: false })
    if (mount.failed) {
      console.warn(
        `no small file system can be mounted, so the test uses SQLite's page limit: ${mount.shortMessage}`,
      )
      return false
    }
    try {
      path = join(mounted, 'meshgauge.db')
      work(mounted)
    } finally {
      // Lazily: a failed test may still have the store open.
      execaSync('umount', ['--lazy', mounted])
    }
    return true
  }

  test('refuses writes that do not fit, keeps acknowledged ones, and works again once there is space', () => {
    const tried = inSmallFileSystem(2048, (mounted) => {
      const filler = join(mounted, 'filler')
      writeFileSync(filler, Buffer.alloc(1_000_000))
      const store = openSqliteStore(path)
      expectRecovery(store, () => rmSync(filler))
      store.close()
    })
    if (tried) return
    const opened = openDatabase(path)
    opened.database.exec('PRAGMA max_page_count = 256')
    const store = createSqliteStore(opened)
    expectRecovery(store, () => opened.database.exec('PRAGMA max_page_count = 4096'))
    store.close()
  })

  test('is reported as full when the store is opened', ({ skip }) => {
    const tried = inSmallFileSystem(64, (mounted) => {
      for (const taken of [64, 48, 32]) {
        writeFileSync(join(mounted, 'filler'), Buffer.alloc(taken * 1024))
        expect(() => openSqliteStore(path)).toThrow(unusable('the disk is full'))
        for (const suffix of ['', '-lock', '-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true })
      }
    })
    if (!tried) skip('needs a small file system')
  })
})
