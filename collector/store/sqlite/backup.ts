import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { backup, DatabaseSync } from 'node:sqlite'
import { OperatingError } from '../../../lib/errors.ts'
import { formatBytes } from '../../../lib/units.ts'
import type { StoreCopy } from '../maintenance.ts'
import type { Connection } from './connection.ts'
import { toStoreError } from './errors.ts'
import { BACKUP_FILE, BACKUP_FOLDER_MARK } from './unfinished-backups.ts'

/** Pages copied per step: less than a millisecond of work. */
const PAGES_PER_STEP = 100

/** Size of a piece, below the default message limit of gRPC (4 MiB). */
const PIECE_BYTES = 256 * 1024

/** Disk space that must stay free for the collector's writes during the backup, mainly its log. */
const FREE_BYTES = 64 * 2 ** 20

/** Checked in advance: a copy that does not fit would fail only after it had filled the store's own disk. */
const checkFreeSpace = ({ database, path }: Connection): void => {
  const numberOf = (name: string) => Number(Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0])
  const size = numberOf('page_count') * numberOf('page_size')
  const { bavail, bsize } = statfsSync(dirname(path))
  if (bavail * bsize >= size + FREE_BYTES) return
  const text = `the disk of the store ${path} has no space for a copy: the copy needs ${formatBytes(size)}, the disk has ${formatBytes(bavail * bsize)} free, of which ${formatBytes(FREE_BYTES)} stay reserved for the store; free some space there`
  throw new OperatingError('STORE_UNAVAILABLE', text)
}

async function* piecesOf(file: FileHandle, sizeBytes: number): AsyncGenerator<Buffer> {
  try {
    for (let at = 0; at < sizeBytes; ) {
      const buffer = Buffer.alloc(Math.min(PIECE_BYTES, sizeBytes - at))
      const { bytesRead } = await file.read(buffer, 0, buffer.length, at)
      if (bytesRead === 0) throw new Error(`a copy of ${sizeBytes} bytes ended at ${at}`)
      at += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}

/**
 * Opens a second, read-only connection with an open transaction: it sees the store as it is now, and does not block the
 * writer. The log grows until the connection is closed, and is truncated afterwards.
 */
const openSnapshot = (path: string): DatabaseSync => {
  const source = new DatabaseSync(path, { readOnly: true })
  try {
    source.exec('BEGIN')
    source.prepare('SELECT count(*) FROM collector').get()
    return source
  } catch (error) {
    source.close()
    throw error
  }
}

const copyFile = async (path: string, copyPath: string, signal: AbortSignal): Promise<void> => {
  const source = openSnapshot(path)
  try {
    await backup(source, copyPath, { rate: PAGES_PER_STEP, progress: () => signal.throwIfAborted() })
  } finally {
    source.close()
  }
}

/** Copies the store into a private folder next to it. The file is deleted once it is complete and open. */
const copy = async (connection: Connection, signal: AbortSignal): Promise<FileHandle> => {
  const { database, path } = connection
  if (path !== ':memory:') checkFreeSpace(connection)
  const folder = mkdtempSync(
    path === ':memory:' ? join(tmpdir(), 'meshgauge-backup-') : `${path}${BACKUP_FOLDER_MARK}`,
  )
  try {
    const file = join(folder, BACKUP_FILE)
    // A store in memory has no second connection, and the copying thread cannot use the first one while it writes. Such
    // a store is small enough to be copied in one step.
    if (path === ':memory:') database.prepare('VACUUM INTO ?').run(file)
    else await copyFile(path, file, signal)
    return await open(file, 'r')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

export const createBackup =
  (connection: Connection) =>
  async (signal: AbortSignal): Promise<StoreCopy> => {
    signal.throwIfAborted()
    try {
      const file = await copy(connection, signal)
      const { size } = await file.stat()
      return { sizeBytes: size, pieces: () => piecesOf(file, size) }
    } catch (error) {
      signal.throwIfAborted()
      throw toStoreError(connection.path, error)
    }
  }
