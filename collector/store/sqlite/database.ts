import { closeSync, mkdirSync, openSync, realpathSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { isFullError, storeProblem, toStoreFailure } from './errors.ts'
import { APPLICATION_ID, SCHEMA_VERSION, upgrade } from './schema.ts'
import { removeLeftCopies } from './unfinished-backups.ts'

/** Bounds what a reader outside, such as `sqlite3`, can hold the collector up. */
const BUSY_TIMEOUT_MS = 1000

/** Runs `work` in one transaction: all of it is durable afterwards, or none of it was done. */
export const inTransaction = <T>(database: DatabaseSync, work: () => T): T => {
  database.exec('BEGIN IMMEDIATE')
  try {
    const result = work()
    database.exec('COMMIT')
    return result
  } catch (error) {
    // On a full disk SQLite may have rolled back already, and a second time is an error.
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}

const pragma = (database: DatabaseSync, name: string): number =>
  Number(Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0])

/** What is not a store of ours, or of a later version, is refused before anything of it is changed. */
const versionOf = (database: DatabaseSync, path: string): number => {
  const tables = Number(database.prepare('SELECT count(*) AS n FROM sqlite_schema').get()?.n)
  if (tables > 0 && pragma(database, 'application_id') !== APPLICATION_ID) {
    throw storeProblem(path, 'it is the SQLite database of another program; give another path')
  }
  const version = pragma(database, 'user_version')
  if (version > SCHEMA_VERSION) {
    throw storeProblem(
      path,
      `its schema has version ${version} and this meshgauge knows ${SCHEMA_VERSION}: use the newer meshgauge that wrote it, or another path`,
    )
  }
  return version
}

/**
 * Lets pages that are free be given back to the file system little by little. Of an older store this takes writing it
 * anew once, before it is more than runs; where there is no room for that it stays as it is, and uses free pages again.
 */
const prepareToGiveBack = (database: DatabaseSync, version: number): void => {
  database.exec('PRAGMA auto_vacuum = INCREMENTAL')
  if (version !== 1) return
  try {
    database.exec('VACUUM')
  } catch (error) {
    if (!isFullError(error)) throw error
  }
}

/**
 * An open transaction on an empty database beside the store. The kernel lets go of it when the process ends, however
 * it ends; the store itself stays readable for others, such as `sqlite3` and backups.
 */
const lock = (path: string): DatabaseSync => {
  const holder = new DatabaseSync(`${path}-lock`)
  try {
    holder.exec('BEGIN EXCLUSIVE')
    return holder
  } catch (error) {
    holder.close()
    if (error instanceof Error && 'errcode' in error && error.errcode === 5) {
      throw storeProblem(path, 'another collector has it open; stop that one, or give this one another path')
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
    if (path !== ':memory:') removeLeftCopies(path)
    prepareToGiveBack(database, version)
    database.exec('PRAGMA journal_mode = WAL')
    // FULL waits for the disk at each commit: what is acknowledged survives kill -9 (as it would with NORMAL) and
    // also the loss of power. The collector commits once a tick, not once a result, so it costs one flush a tick.
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
 * Opens the store's file, and makes it and its folder when missing.
 * @throws OperatingError STORE_UNAVAILABLE with the path and what to do
 */
export const openDatabase = (file: string): OpenDatabase => {
  let path = file
  try {
    if (file !== ':memory:') {
      mkdirSync(dirname(file), { recursive: true })
      // Made by us it is for its owner alone; what SQLite puts beside it takes the same mode.
      closeSync(openSync(file, 'a', 0o600))
      // Two names of one file must find the same lock, and what lies beside it on the same disk.
      path = realpathSync(file)
    }
    const { database, holder } = openFile(path)
    const close = () => {
      if (database.isOpen) database.close()
      if (holder?.isOpen) holder.close()
    }
    return { database, path, close }
  } catch (error) {
    throw toStoreFailure(path, error)
  }
}
