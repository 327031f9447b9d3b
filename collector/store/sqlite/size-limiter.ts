import { statSync } from 'node:fs'
import type { Connection } from './connection.ts'
import { createReservedSpace, NO_RESERVED_SPACE } from './reserved-space.ts'

/** Pages released to the file system per slice. SQLite may have to move one page from the end of the file for each. */
const PAGES_PER_SLICE = 64

/** Free pages are released beyond both of these; fewer are soon used again. */
const FREE_BYTES = 64 * 2 ** 20
const FREE_RATIO = 0.25

/** Distance from the maximum size at which removal begins. It holds the log and what arrives between two slices. */
const RESERVE_RATIO = 1 / 8
const MAX_RESERVE_BYTES = 128 * 2 ** 20

/**
 * Pages after which SQLite writes its log into the file (a checkpoint), which blocks the collector: 6 ms for 250 pages,
 * 11 ms for 1,000 and 24 ms for 4,000 (measured at 2,000 windows/s). A small store uses LOG_RATIO of its maximum size.
 */
const CHECKPOINT_PAGES = 250
const LOG_RATIO = 1 / 64
const MIN_CHECKPOINT_PAGES = 16

/** Observes the size of the store and releases free space. What to remove is decided in expiry.ts. */
export type SizeLimiter = {
  /** Bytes on disk, with the log and the reserved space, and the part of them that is free inside the database. */
  sizes(): { sizeBytes: number; freeBytes: number }
  /** Whether old content must be removed to stay below the maximum size. */
  isNearLimit(): boolean
  /** Releases one slice of free pages to the file system. Returns whether there were any to release. */
  releaseFreePages(): boolean
  /** Called on a full disk: releases the reserved space and restarts the log, so that content can be removed. */
  releaseReservedSpace(): void
}

const readPragma = ({ database }: Connection, name: string) => {
  const statement = database.prepare(`PRAGMA ${name}`)
  return () => Number(Object.values(statement.get() ?? {})[0])
}

/** Bounds the log of SQLite and returns its usual size in bytes. */
const limitLog = ({ database, guarded }: Connection, pageSize: number, maxBytes: number): number => {
  const pages = Math.max(
    MIN_CHECKPOINT_PAGES,
    Math.min(CHECKPOINT_PAGES, Math.floor((maxBytes * LOG_RATIO) / pageSize)),
  )
  const logBytes = 2 * pages * pageSize
  guarded(() => {
    database.exec(`PRAGMA wal_autocheckpoint = ${pages}`)
    // The log is truncated to this size after a long-lived reader let it grow.
    database.exec(`PRAGMA journal_size_limit = ${logBytes}`)
  })
  return logBytes
}

export const createSizeLimiter = (
  connection: Connection,
  { maxBytes }: { maxBytes: number },
): SizeLimiter => {
  const { database, path, guarded, writeLazily } = connection
  const pageSize = readPragma(connection, 'page_size')()
  const pages = readPragma(connection, 'page_count')
  const freePages = readPragma(connection, 'freelist_count')
  const canReleasePages = readPragma(connection, 'auto_vacuum')() > 0
  const logBytes = limitLog(connection, pageSize, maxBytes)
  const reserved = path === ':memory:' ? NO_RESERVED_SPACE : createReservedSpace(path, 2 * logBytes)
  const reserve = Math.min(maxBytes * RESERVE_RATIO, MAX_RESERVE_BYTES)

  const bytesOf = (suffix: string) =>
    path === ':memory:' ? 0 : (statSync(`${path}${suffix}`, { throwIfNoEntry: false })?.size ?? 0)
  const sizes = () => {
    const content = pages() * pageSize
    // The file grows and shrinks to the size of the content when the log is written into it.
    const sizeBytes = Math.max(content, bytesOf('')) + bytesOf('-wal') + reserved.sizeBytes()
    return { sizeBytes, freeBytes: freePages() * pageSize }
  }
  /**
   * Content plus the usual size of the log. While another connection reads, such as a backup, the log grows and the file
   * cannot shrink; counting the whole log would remove content without any gain.
   */
  const usedBytes = () =>
    (pages() - freePages()) * pageSize + Math.min(bytesOf('-wal'), logBytes) + reserved.sizeBytes()
  const isTooLarge = () => {
    const { sizeBytes, freeBytes } = sizes()
    const excessLog = Math.max(0, bytesOf('-wal') - logBytes)
    return sizeBytes - excessLog > maxBytes - reserve / 2 && freeBytes > 0
  }
  const isTooEmpty = () => {
    const { sizeBytes, freeBytes } = sizes()
    return freeBytes > FREE_BYTES && freeBytes > sizeBytes * FREE_RATIO
  }

  return {
    sizes,
    isNearLimit: () => usedBytes() > maxBytes - reserve,
    releaseReservedSpace: () => {
      reserved.release()
      guarded(() => database.exec('PRAGMA wal_checkpoint(RESTART)'))
    },
    releaseFreePages: () => {
      reserved.reserve()
      if (!canReleasePages) return false
      if (!isTooLarge() && !isTooEmpty()) return false
      const before = pages()
      writeLazily(() => database.exec(`PRAGMA incremental_vacuum(${PAGES_PER_SLICE})`))
      const isSmaller = pages() < before
      // Only a checkpoint shrinks the file itself.
      if (!isSmaller || freePages() === 0) guarded(() => database.exec('PRAGMA wal_checkpoint(PASSIVE)'))
      return isSmaller
    },
  }
}
