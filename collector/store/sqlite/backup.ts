import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { backup, DatabaseSync } from 'node:sqlite'
import { OperatingError } from '../../../lib/errors.ts'
import { formatBytes } from '../../../lib/units.ts'
import type { StoreCopy } from '../windows.ts'
import type { Access } from './connection.ts'
import { toStoreFailure } from './errors.ts'
import { COPY_MARK, COPY_NAME } from './unfinished-backups.ts'

/** Pages copied before others have their turn: less than a millisecond. */
const PAGES_PER_STEP = 100

/** gRPC takes pieces of this size well. */
const PIECE_BYTES = 256 * 1024

/** What has to stay free on the disk, for what the collector writes while the copy is there: its log above all. */
const FREE_BYTES = 64 * 2 ** 20

/** A copy that does not fit would be noticed only once it has taken the last room from the store itself. */
const checkRoom = ({ database, path }: Access): void => {
  const numberOf = (name: string) => Number(Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0])
  const size = numberOf('page_count') * numberOf('page_size')
  const { bavail, bsize } = statfsSync(dirname(path))
  if (bavail * bsize >= size + FREE_BYTES) return
  const text = `there is no room for a copy beside the store ${path}: it takes ${formatBytes(size)}, the disk has ${formatBytes(bavail * bsize)}, of which ${formatBytes(FREE_BYTES)} stay free for the store; free some space there`
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
 * A connection of its own, which sees the store as it is now for as long as it is open: neither does writing hold the
 * copy up nor the copy the writing. The log grows meanwhile, and is cut back afterwards.
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

/** The copy lies beside the store, in a folder for its owner alone, until it is whole; then it has no name any more. */
const copy = async (access: Access, signal: AbortSignal): Promise<FileHandle> => {
  const { database, path } = access
  if (path !== ':memory:') checkRoom(access)
  const folder = mkdtempSync(
    path === ':memory:' ? join(tmpdir(), 'meshgauge-backup-') : `${path}${COPY_MARK}`,
  )
  try {
    const file = join(folder, COPY_NAME)
    // A store in memory has no second connection, and the first one cannot be read by the thread that copies while
    // this one writes; what is in memory is small enough to be copied at once.
    if (path === ':memory:') database.prepare('VACUUM INTO ?').run(file)
    else await copyFile(path, file, signal)
    return await open(file, 'r')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

export const createBackup =
  (access: Access) =>
  async (signal: AbortSignal): Promise<StoreCopy> => {
    signal.throwIfAborted()
    try {
      const file = await copy(access, signal)
      const { size } = await file.stat()
      return { sizeBytes: size, pieces: () => piecesOf(file, size) }
    } catch (error) {
      signal.throwIfAborted()
      throw toStoreFailure(access.path, error)
    }
  }
