import { type OpenDatabase, openDatabase } from '../../../collector/store/sqlite/database.ts'

/** SQLite's result codes for what a disk can do: https://www.sqlite.org/rescode.html */
const ERRORS = {
  full: { errcode: 13, text: 'database or disk is full' },
  broken: { errcode: 10, text: 'disk I/O error' },
} as const

export type DiskFailure = keyof typeof ERRORS

/**
 * The disk of the collector: an SQLite database in memory that outlives the collector's process, and whose writes fail
 * when told.
 * @param identity of the store
 */
export const createDisk = (identity: string) => {
  const { database, path, close } = openDatabase(':memory:')
  database.prepare('UPDATE collector SET identity = ?').run(identity)
  const execute = database.exec.bind(database)
  let failure: DiskFailure | undefined
  let failureCount = 0
  database.exec = (sql) => {
    // As SQLite does it: the transaction is complete in memory, and its log cannot be written.
    if (failure && sql === 'COMMIT') {
      failureCount++
      const { errcode, text } = ERRORS[failure]
      throw Object.assign(new Error(text), { code: 'ERR_SQLITE_ERROR', errcode })
    }
    execute(sql)
  }
  return {
    /** What a collector opens; closing it leaves the content for the next one. */
    open: (): OpenDatabase => ({ database, path, close: () => undefined }),
    fail: (how: DiskFailure | undefined): void => {
      failure = how
    },
    isFailing: (): boolean => failure !== undefined,
    /** Writes that have failed. */
    failureCount: (): number => failureCount,
    destroy: close,
  }
}

export type Disk = ReturnType<typeof createDisk>
