import { statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { OperatingError } from '../../../lib/errors.ts'

/** Cause and remedy of SQLite's primary result codes for a failing medium (https://www.sqlite.org/rescode.html). */
const MEDIUM_ERRORS: Record<number, string> = {
  3: 'access to it is denied: check the owner and the mode of the file and its folder',
  5: 'another program has locked it: stop the program that writes to it',
  8: 'it cannot be written: check the mode of the file and its folder, and whether the file system is read-only',
  10: 'the disk reports an input or output error: check the kernel log and the free space',
  11: 'it is damaged: move the file away to start with an empty store, or restore a backup',
  13: 'the disk is full: free some space there',
  14: 'it cannot be opened: check that the folder exists and is writable',
  26: 'it is not a meshgauge store: give another path, or move the file away',
}

const SQLITE_FULL = 13
const SQLITE_IOERR = 10

type SqliteError = Error & { errcode: number }

const isSqliteError = (error: unknown): error is SqliteError =>
  error instanceof Error && 'errcode' in error && typeof error.errcode === 'number'

/** Whether SQLite reported a full disk. */
export const isDiskFullError = (error: unknown): boolean =>
  isSqliteError(error) && primary(error.errcode) === SQLITE_FULL

/** The low byte of an extended result code is the primary one. */
const primary = (code: number): number => code & 0xff

/** Returns STORE_UNAVAILABLE with the path, the cause and what to do. */
export const storeUnavailable = (path: string, problem: string): OperatingError =>
  new OperatingError('STORE_UNAVAILABLE', `the store ${path} cannot be used: ${problem}`)

/** Without space for its shared memory, SQLite reports an I/O error; the operator needs the real cause. */
const isDiskFull = (path: string): boolean => {
  try {
    const { bavail, bsize } = statfsSync(dirname(path))
    return bavail * bsize < 65_536
  } catch {
    // The path has no file system, so missing space is not the cause.
    return false
  }
}

/** Converts an error of SQLite or the file system to STORE_UNAVAILABLE. Other errors are bugs and returned unchanged. */
export const toStoreError = (path: string, error: unknown): unknown => {
  if (isSqliteError(error)) {
    const reported = primary(error.errcode)
    const code = reported === SQLITE_IOERR && isDiskFull(path) ? SQLITE_FULL : reported
    const problem = MEDIUM_ERRORS[code]
    return problem ? storeUnavailable(path, `${problem} (${error.message})`) : error
  }
  if (error instanceof Error && 'code' in error && 'syscall' in error) {
    const code = error.code === 'ENOSPC' ? SQLITE_FULL : error.code === 'EIO' ? SQLITE_IOERR : 14
    return storeUnavailable(path, `${MEDIUM_ERRORS[code]} (${error.message})`)
  }
  return error
}
