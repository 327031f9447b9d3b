import { statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { OperatingError } from '../../../lib/errors.ts'

/** SQLite's primary result codes (https://www.sqlite.org/rescode.html) that say that the medium is to blame. */
const FAILURES: Record<number, string> = {
  3: 'access to it is denied: check the owner and the mode of the file and its folder',
  5: 'another program has locked it: end what writes to it',
  8: 'it cannot be written: check the mode of the file and its folder, and whether the file system is read-only',
  10: 'the disk reports an input or output error: check the kernel log and the free space',
  11: 'it is damaged: move the file away to start with an empty store, or put back a backup',
  13: 'the disk is full: free some space there',
  14: 'it cannot be opened: check that the folder exists and may be written',
  26: 'it is not a meshgauge store: give another path, or move the file away',
}

const SQLITE_FULL = 13
const SQLITE_IOERR = 10

type SqliteError = Error & { errcode: number }

const isSqliteError = (error: unknown): error is SqliteError =>
  error instanceof Error && 'errcode' in error && typeof error.errcode === 'number'

/** Whether SQLite found no room for what it was to write. */
export const isFullError = (error: unknown): boolean =>
  isSqliteError(error) && primary(error.errcode) === SQLITE_FULL

/** The low byte of an extended result code is the primary one. */
const primary = (code: number): number => code & 0xff

/** STORE_UNAVAILABLE with the path, the cause and what to do. */
export const storeProblem = (path: string, problem: string): OperatingError =>
  new OperatingError('STORE_UNAVAILABLE', `the store ${path} cannot be used: ${problem}`)

/** With no room for its shared memory SQLite reports an input or output error; the operator has to know which. */
const isFull = (path: string): boolean => {
  try {
    const { bavail, bsize } = statfsSync(dirname(path))
    return bavail * bsize < 65_536
  } catch {
    // No file system answers for the path: then it is not the space that is missing.
    return false
  }
}

/**
 * Says in the catalogue's words what SQLite or the file system reported; a mistake of ours stays what it is.
 */
export const toStoreFailure = (path: string, error: unknown): unknown => {
  if (isSqliteError(error)) {
    const reported = primary(error.errcode)
    const code = reported === SQLITE_IOERR && isFull(path) ? SQLITE_FULL : reported
    const problem = FAILURES[code]
    return problem ? storeProblem(path, `${problem} (${error.message})`) : error
  }
  if (error instanceof Error && 'code' in error && 'syscall' in error) {
    const code = error.code === 'ENOSPC' ? SQLITE_FULL : error.code === 'EIO' ? SQLITE_IOERR : 14
    return storeProblem(path, `${FAILURES[code]} (${error.message})`)
  }
  return error
}
