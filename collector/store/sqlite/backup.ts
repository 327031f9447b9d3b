import { mkdtempSync, rmSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { backup, DatabaseSync } from 'node:sqlite'
import type { StoreCopy } from '../windows.ts'
import type { Access } from './access.ts'
import { toStoreFailure } from './failure.ts'
import { COPY_MARK, COPY_NAME } from './left-copies.ts'

/** Pages copied before others have their turn: less than a millisecond. */
const PAGES_PER_STEP = 100

/** gRPC takes pieces of this size well. */
const PIECE_BYTES = 256 * 1024

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
const copy = async ({ database, path }: Access, signal: AbortSignal): Promise<FileHandle> => {
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
