import { closeSync, mkdirSync, openSync, realpathSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { isDiskFullError, storeUnavailable, toStoreError } from './errors.ts'
import { APPLICATION_ID, SCHEMA_VERSION, upgrade } from './schema.ts'
import { removeUnfinishedBackups } from './unfinished-backups.ts'

/** Maximum time that an outside reader, such as `sqlite3`, can block the collector. */
const BUSY_TIMEOUT_MS = 1000

/** Runs `work` in one transaction: all of its changes are committed, or none. */
export const inTransaction = <T>(database: DatabaseSync, work: () => T): T => {
  database.exec('BEGIN IMMEDIATE')
  try {
    const result = work()
    database.exec('COMMIT')
    return result
  } catch (error) {
    // On a full disk SQLite may have rolled back already; a second rollback is an error.
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}

const pragma = (database: DatabaseSync, name: string): number =>
  Number(Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0])

/**
 * Returns the schema version of the file; 0 for an empty one. Changes nothing.
 * @throws OperatingError STORE_UNAVAILABLE for the database of another program, or of a newer meshgauge
 */
const versionOf = (database: DatabaseSync, path: string): number => {
  const tables = Number(database.prepare('SELECT count(*) AS n FROM sqlite_schema').get()?.n)
  if (tables > 0 && pragma(database, 'application_id') !== APPLICATION_ID) {
    throw storeUnavailable(path, 'it is the SQLite database of another program; give another path')
  }
  const version = pragma(database, 'user_version')
  if (version > SCHEMA_VERSION) {
    throw storeUnavailable(
      path,
      `its schema has version ${version} and this meshgauge knows ${SCHEMA_VERSION}: use the newer meshgauge that wrote it, or another path`,
    )
  }
  return version
}

/**
 * Allows free pages to be released to the file system in small steps. A store of schema version 1 must be rewritten once
 * for that. Without disk space for it, the store only reuses its free pages.
 */
const enableIncrementalVacuum = (database: DatabaseSync, version: number): void => {
  database.exec('PRAGMA auto_vacuum = INCREMENTAL')
  if (version !== 1) return
  try {
    database.exec('VACUUM')
  } catch (error) {
    if (!isDiskFullError(error)) throw error
  }
}

/**
 * Locks the store with an open transaction on an empty database next to it. The kernel releases the lock when the process
 * ends for any reason. The store itself stays readable for others, such as `sqlite3` and backups.
 */
const lock = (path: string): DatabaseSync => {
  const holder = new DatabaseSync(`${path}-lock`)
  try {
    holder.exec('BEGIN EXCLUSIVE')
    return holder
  } catch (error) {
    holder.close()
    if (error instanceof Error && 'errcode' in error && error.errcode === 5) {
      throw storeUnavailable(
        path,
        'another collector has it open; stop that one, or give this one another path',
      )
    }
    throw error
  }
}

export type OpenDatabase = { database: DatabaseSync; path: string; close(): void }

const openFile = (path: string): { database: DatabaseSync; holder: DatabaseSync | undefined } => {
  const holder = path === ':memory:' ? undefined : lock(path)
  let database: DatabaseSync | undefined
  try {
    const opened = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS, enableForeignKeyConstraints: true })
    database = opened
    const version = versionOf(database, path)
    if (path !== ':memory:') removeUnfinishedBackups(path)
    enableIncrementalVacuum(database, version)
    database.exec('PRAGMA journal_mode = WAL')
    // FULL waits for the disk at each commit, so an acknowledged write survives a power loss as well as kill -9. The
    // collector commits once per tick and not once per result, so the cost is one flush per tick.
    database.exec('PRAGMA synchronous = FULL')
    if (version < SCHEMA_VERSION) inTransaction(database, () => upgrade(opened, version))
    return { database, holder }
  } catch (error) {
    database?.close()
    holder?.close()
    throw error
  }
}

/**
 * Opens the store's file. Creates it and its folder when missing.
 * @throws OperatingError STORE_UNAVAILABLE with the path and what to do
 */
export const openDatabase = (file: string): OpenDatabase => {
  let path = file
  try {
    if (file !== ':memory:') {
      mkdirSync(dirname(file), { recursive: true })
      // A new file is readable only by its owner. SQLite uses the same mode for its log and shared memory.
      closeSync(openSync(file, 'a', 0o600))
      // All names of one file must lead to the same lock, log and backup folder.
      path = realpathSync(file)
    }
    const { database, holder } = openFile(path)
    const close = () => {
      if (database.isOpen) database.close()
      if (holder?.isOpen) holder.close()
    }
    return { database, path, close }
  } catch (error) {
    throw toStoreError(path, error)
  }
}
