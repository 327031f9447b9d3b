import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  BackupStoreResponse,
  GetStoreInfoResponse,
  type StoreServiceImplementation,
} from '#proto/meshgauge/collector/v1/store.ts'
import { OperatingError } from '../../lib/errors.ts'
import { toDuration, toTimestamp } from '../../lib/protobuf-time.ts'
import { closeCollectors, collectorWith, runCommand } from '../testing/run-command.ts'
import { testTerminal } from '../testing/test-terminal.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'meshgauge-backup-cli-'))
})
afterEach(async () => {
  await closeCollectors()
  rmSync(folder, { recursive: true, force: true })
})

const before = (seconds: number) => toTimestamp(new Date(Date.now() - seconds * 1000))
const stored = GetStoreInfoResponse.fromPartial({
  path: '/var/lib/meshgauge/meshgauge.db',
  schemaVersion: 2,
  sizeBytes: 1_234_000_000,
  freeBytes: 56_000_000,
  maxBytes: 4_294_967_296,
  levels: [
    { name: 'runs', rowCount: 0, retention: toDuration(7_776_000) },
    {
      name: 'raw',
      rowCount: 12_345_678,
      oldestTime: before(172_800),
      newestTime: before(5),
      retention: toDuration(172_800),
    },
  ],
  lastExpireTime: before(240),
})

describe('store info', () => {
  test('prints the size and a table of the levels', async () => {
    const collector = await collectorWith({ store: { getStoreInfo: async () => stored } })
    const { code, out } = await runCommand(collector, 'store info')
    expect(code).toBe(0)
    expect(out.replaceAll(/(\d) s ago/g, 'N s ago')).toMatchInlineSnapshot(`
      "/var/lib/meshgauge/meshgauge.db: 1.23 GB of at most 4.29 GB, 56.0 MB of it free (schema version 2)
      Expired content was last removed 4 min ago.

      LEVEL   ROWS         OLDEST      NEWEST    RETENTION   CONTENT
      runs    0            -           -         90.0 d      runs with their results
      raw     12,345,678   2.0 d ago   N s ago   2.0 d       ping mesh windows as the agents sent them
      "
    `)
  })

  test('--json prints one document', async () => {
    const collector = await collectorWith({ store: { getStoreInfo: async () => stored } })
    const { out } = await runCommand(collector, 'store info --json')
    expect(JSON.parse(out)).toMatchObject({
      path: '/var/lib/meshgauge/meshgauge.db',
      sizeBytes: 1_234_000_000,
      levels: [
        { name: 'runs', rowCount: 0 },
        { name: 'raw', rowCount: 12_345_678, retentionSeconds: 172_800 },
      ],
    })
  })
})

const content = Buffer.from('a copy of the store, '.repeat(1000))

const sending = (
  pieces: number,
  after: () => Promise<void> = async () => undefined,
): Partial<StoreServiceImplementation> => ({
  backupStore: async function* () {
    const length = Math.ceil(content.length / 10)
    for (let piece = 0; piece < pieces; piece++) {
      const data = content.subarray(piece * length, (piece + 1) * length)
      yield BackupStoreResponse.fromPartial({ data, sizeBytes: content.length })
    }
    await after()
  },
})

describe('store backup', () => {
  test('writes the whole copy with mode 0600', async () => {
    const collector = await collectorWith({ store: sending(10) })
    const file = join(folder, 'copy.db')
    const { code, out, err } = await runCommand(collector, `store backup ${file}`)
    expect([code, err]).toEqual([0, ''])
    expect(out).toMatch(/copy\.db: 21\.0 kB in /)
    expect(readFileSync(file).equals(content)).toBe(true)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(readdirSync(folder)).toEqual(['copy.db'])
  })

  test('replaces an existing file only with --force', async () => {
    const collector = await collectorWith({ store: sending(10) })
    const file = join(folder, 'copy.db')
    writeFileSync(file, 'precious')
    const refused = await runCommand(collector, `store backup ${file}`)
    expect(refused.code).toBe(2)
    expect(refused.err).toContain('exists already; give another name, or --force to replace it')
    expect(readFileSync(file, 'utf8')).toBe('precious')
    expect((await runCommand(collector, `store backup ${file} --force`)).code).toBe(0)
    expect(readFileSync(file).equals(content)).toBe(true)
    expect(readdirSync(folder)).toEqual(['copy.db'])
  })

  test.each([
    ['store backup', 'is missing: give the file to write'],
    ['store backup /', 'is not a regular file; give the name of a file'],
    ['store backup /nowhere/copy.db', 'is in /nowhere, which is not a folder'],
  ])('%s', async (words, message) => {
    const collector = await collectorWith({ store: sending(10) })
    const { code, err } = await runCommand(collector, words)
    expect([code, err]).toEqual([2, expect.stringContaining(message)])
  })

  test('a copy that ends early or fails leaves an existing file unchanged', async () => {
    const file = join(folder, 'copy.db')
    writeFileSync(file, 'precious')
    const failing = async () => {
      throw new OperatingError('STORE_UNAVAILABLE', 'the store cannot be used: the disk is full')
    }
    for (const store of [sending(9), sending(0), sending(5, failing)]) {
      const { code, err } = await runCommand(await collectorWith({ store }), `store backup ${file} --force`)
      expect([code, err]).toEqual([3, expect.stringMatching(/the copy ended after|disk is full/)])
      expect(readFileSync(file, 'utf8')).toBe('precious')
      expect(readdirSync(folder)).toEqual(['copy.db'])
    }
  })

  test('Ctrl-C leaves no file', async () => {
    const collector = await collectorWith({
      store: sending(5, () => sleep(60_000, undefined, { ref: false })),
    })
    const terminal = testTerminal({ isTTY: true, columns: 80 })
    const typed = runCommand(collector, `store backup ${join(folder, 'copy.db')}`, terminal)
    await terminal.waitForStderr(' of 21.0 kB, ')
    terminal.interrupt()
    const { code, err } = await typed
    expect([code, err]).toEqual([130, expect.stringContaining('Interrupted; nothing was written.')])
    expect(readdirSync(folder)).toEqual([])
  })
})
