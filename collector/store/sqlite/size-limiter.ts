import { statSync } from 'node:fs'
import type { Access } from './access.ts'
import { createReservedSpace, NO_RESERVED_SPACE } from './reserved-space.ts'

/** Pages that are given back to the file system at a time: each may have to move one from the end. */
const PAGES_PER_SLICE = 64

/** So much may be free inside before it is given back; less is soon used again. */
const FREE_BYTES = 64 * 2 ** 20
const FREE_RATIO = 0.25

/** What may come between two pieces of upkeep, and the log, stay below the bound. */
const RESERVE_RATIO = 1 / 8
const MAX_RESERVE_BYTES = 128 * 2 ** 20

/**
 * SQLite writes its log into the file after so many pages, which holds others up: 6 ms for 250 pages where 1,000 take
 * 11 and 4,000 take 24 (measured at 2,000 windows/s); of a small store a small part.
 */
const CHECKPOINT_PAGES = 250
const LOG_RATIO = 1 / 64
const MIN_CHECKPOINT_PAGES = 16

export type SizeLimiter = {
  /** Bytes on disk, the log and the spare room included, and what of it is free inside. */
  sizes(): { sizeBytes: number; freeBytes: number }
  /** Whether the bound is near. */
  isTight(): boolean
  /** Gives a slice of what is free back to the file system; says whether there was any to give. */
  giveBack(): boolean
  /** On a full disk: gives up the spare room, and begins the log anew. */
  relieve(): void
}

export const createSizeLimiter = (
  { database, path, guarded, writeLazily }: Access,
  { maxBytes }: { maxBytes: number },
): SizeLimiter => {
  const numberOf = (name: string) => {
    const statement = database.prepare(`PRAGMA ${name}`)
    return () => Number(Object.values(statement.get() ?? {})[0])
  }
  const pageSize = numberOf('page_size')()
  const [pages, freePages] = [numberOf('page_count'), numberOf('freelist_count')]
  const gives = numberOf('auto_vacuum')() > 0
  const logPages = Math.max(
    MIN_CHECKPOINT_PAGES,
    Math.min(CHECKPOINT_PAGES, Math.floor((maxBytes * LOG_RATIO) / pageSize)),
  )
  const logBytes = 2 * logPages * pageSize
  guarded(() => {
    database.exec(`PRAGMA wal_autocheckpoint = ${logPages}`)
    // The log is cut back to this when a long-lived reader let it grow.
    database.exec(`PRAGMA journal_size_limit = ${logBytes}`)
  })
  const spare = path === ':memory:' ? NO_RESERVED_SPACE : createReservedSpace(path, 2 * logBytes)

  const reserve = Math.min(maxBytes * RESERVE_RATIO, MAX_RESERVE_BYTES)

  const bytesOf = (suffix: string) =>
    path === ':memory:' ? 0 : (statSync(`${path}${suffix}`, { throwIfNoEntry: false })?.size ?? 0)
  const sizes = () => {
    const content = pages() * pageSize
    // The file follows what is in the log, up and down, when the log is written into it.
    const sizeBytes = Math.max(content, bytesOf('')) + bytesOf('-wal') + spare.sizeBytes()
    return { sizeBytes, freeBytes: freePages() * pageSize }
  }
  /**
   * Content with the log as long as it usually is. While somebody reads, such as a backup, the log grows and the file is
   * not cut: removing content would only make the log longer still.
   */
  const usedBytes = () =>
    (pages() - freePages()) * pageSize + Math.min(bytesOf('-wal'), logBytes) + spare.sizeBytes()
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
    isTight: () => usedBytes() > maxBytes - reserve,
    relieve: () => {
      spare.giveUp()
      guarded(() => database.exec('PRAGMA wal_checkpoint(RESTART)'))
    },
    giveBack: () => {
      spare.keep()
      if (!gives) return false
      if (!isTooLarge() && !isTooEmpty()) return false
      const before = pages()
      writeLazily(() => database.exec(`PRAGMA incremental_vacuum(${PAGES_PER_SLICE})`))
      const isSmaller = pages() < before
      // Only then the file itself is cut.
      if (!isSmaller || freePages() === 0) guarded(() => database.exec('PRAGMA wal_checkpoint(PASSIVE)'))
      return isSmaller
    },
  }
}
